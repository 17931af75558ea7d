import type { Packet, Table } from "../flow/packet.ts";

/** Where packets came from, as dead letters name it. */
export type Origin = { readonly input: string; readonly resource: string; readonly name: string };

export type SpillBatch = {
  readonly origin: Origin;
  readonly packets: readonly Packet[];
  /** When they came to the buffer, in Unix milliseconds; null where an older dbus did not say. */
  readonly at: number | null;
};

/** A table by the text of its JSON: the same object again for all its rows. */
export type TableOf = (text: string) => Table;

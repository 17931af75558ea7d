import type { Packet, Table } from "../flow/packet.ts";

/** Where packets came from, as dead letters name it. */
export type Origin = { readonly input: string; readonly resource: string; readonly name: string };

export type SpillBatch = { readonly origin: Origin; readonly packets: readonly Packet[] };

/** A table by the text of its JSON: the same object again for all its rows. */
export type TableOf = (text: string) => Table;

import type { Packet } from "../flow/packet.ts";

/** A packet that failed for good, kept until a person has seen to it. */
export type DeadLetter = {
  readonly id: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** The plugin instance that refused it; a redrive starts again there. */
  readonly node: string;
  readonly input: string;
  readonly resource: string;
  readonly partition: string;
  readonly ident: string;
  /** JSON text of the packet's position. */
  readonly position: string;
  readonly code: string;
  readonly reason: string;
  /** How often the node had crashed with it before, and when first, in Unix milliseconds. */
  readonly crashes: number;
  readonly crashedAt: number | null;
  /** The packet itself, without loss, bigint and bytes included. */
  readonly packet: Packet;
  /** Unix milliseconds of the last redrive; null before one. */
  readonly redrivenAt: number | null;
};

export type NewDeadLetter = Omit<DeadLetter, "id" | "at" | "redrivenAt">;

export type DeadLetterQuery = {
  readonly node?: string;
  readonly input?: string;
  /** Only those with a greater id. */
  readonly after?: number;
  readonly limit?: number;
};

/** Every implementation runs `test/contract/dead-letter-store.ts`. */
export type DeadLetterStore = {
  /** All or none, durable when it returns. Throws `STATE_UNWRITABLE`. */
  put(letters: readonly NewDeadLetter[]): readonly number[];
  list(query?: DeadLetterQuery): readonly DeadLetter[];
  get(id: number): DeadLetter | null;
  count(): number;
  markRedriven(ids: readonly number[]): void;
  remove(ids: readonly number[]): void;
};

import type { Reply } from "#src/actor/actor.ts";
import type { DbusError } from "#src/errors.ts";
import type { Attached, Delivery, Emission, Hurry, Settled } from "#src/flow/delivery.ts";
import type { Json } from "#src/flow/position.ts";
import type { SourcePartition } from "#src/plugin/context.ts";
import type { Verdict } from "#src/plugin/define.ts";
import type { SpillLog, SpillRecord } from "#src/spill/spill-log.ts";

/**
 * Every message of the system. Data travels as `deliver`, one partition's packets in order, and
 * needs credit; everything else is a signal, which overtakes data and never waits.
 *
 *   input --deliver--> router --deliver--> filter --deliver--> output
 *         <--settled--        <--settled--        <--settled--
 *
 * Every receiver sends `attached` to those before it when it starts; they answer by sending what
 * it has not settled once more.
 */
export type InputMessage =
  | Settled
  | Attached
  /** The ledger has room, or the gate was opened: admit what waits. */
  | { readonly kind: "room" }
  /** The checkpoints were read and nothing of an earlier run is in flight: open and run. */
  | { readonly kind: "booted"; readonly boot: number }
  /** The resource is ours from now on: read it. */
  | { readonly kind: "owned" }
  /** Come to an end, let what is in flight arrive until the deadline, and rest. */
  | { readonly kind: "release"; readonly deadlineMs: number; readonly reply: Reply<void> }
  /** The resource is another's already: end at once, and rest. */
  | { readonly kind: "disowned" }
  /** The plugin's `run` came to its end, or failed on its way. */
  | { readonly kind: "ended"; readonly run: number; readonly error: DbusError | undefined }
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  /** Read on from another position (null: from the start policy), once nothing is in flight. */
  | {
      readonly kind: "reposition";
      readonly partition: string;
      readonly position: Json | null;
      readonly reply: Reply<void>;
    }
  /** Nothing matches this ident and the bus is told to fail then. */
  | { readonly kind: "unrouted"; readonly ident: string }
  /** A commit found a newer epoch. */
  | { readonly kind: "fenced"; readonly error: DbusError };

export type RouterMessage = Delivery | Settled | Attached | Emission | Hurry;

export type FilterMessage =
  | Delivery
  | Settled
  | Attached
  | Emission
  | Hurry
  | { readonly kind: "opened"; readonly plugin: unknown }
  | { readonly kind: "crashed"; readonly error: unknown }
  /** An asynchronous `apply` of that lane has ended. */
  | { readonly kind: "applied"; readonly lane: number }
  /** What was gathered of that lane has waited long enough. */
  | { readonly kind: "flush"; readonly lane: number };

export type OutputMessage =
  | Delivery
  | Emission
  | Hurry
  | { readonly kind: "opened"; readonly plugin: unknown }
  | { readonly kind: "crashed"; readonly error: unknown }
  /** The sink is to forget how far it is with that partition, of which nothing is in flight. */
  | { readonly kind: "forget"; readonly source: SourcePartition; readonly reply: Reply<void> }
  /** Time to write what there is, or to try again. */
  | { readonly kind: "flush" }
  | { readonly kind: "written"; readonly verdicts: readonly Verdict[] | undefined }
  | { readonly kind: "refused"; readonly error: unknown };

/** Before an output that has a buffer on disk. */
export type BufferMessage =
  | Delivery
  | Settled
  | Attached
  | Emission
  | Hurry
  | { readonly kind: "opened"; readonly log: SpillLog }
  | { readonly kind: "crashed"; readonly error: unknown }
  /** What was being written to the disk is durable, or nothing of it is. */
  | { readonly kind: "appended"; readonly error: DbusError | undefined }
  | { readonly kind: "read"; readonly record: SpillRecord | undefined }
  | { readonly kind: "acked" }
  /** Time to try the disk again. */
  | { readonly kind: "again" };

export type CheckpointMessage =
  | { readonly kind: "tick" }
  | { readonly kind: "committed"; readonly error: DbusError | undefined }
  /** Commit now; replies when it is durable. */
  | { readonly kind: "commit"; readonly reply: Reply<void> };

/** Time to look for packets that hold up a checkpoint. */
export type StuckHeadMessage = { readonly kind: "look" };

/** Packets that an operator sends again to the node that refused them. */
export type RedriveMessage =
  | Settled
  | Attached
  | { readonly kind: "room" }
  | { readonly kind: "redrive"; readonly ids: readonly number[]; readonly reply: Reply<Redriven> };

export type Redriven = {
  readonly delivered: number;
  readonly failed: number;
  /** Those delivered that a newer packet of their key has overtaken, or may have. */
  readonly outOfOrder: readonly number[];
};

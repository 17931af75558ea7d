import type { AckLedger } from "./ack-ledger.ts";
import type { ComparePositions } from "./position.ts";

/** One ordered stream of packets of one input, with its own ledger, lane and checkpoint. */
export type Partition = {
  /** Unique in the process: the lane of its packets in every mailbox. */
  readonly lane: number;
  readonly input: string;
  readonly resource: string;
  readonly name: string;
  readonly ledger: AckLedger;
  readonly right: EmitRight;
  /** The version of the assignment under which it is read; undefined in a single process. */
  readonly fence?: number | undefined;
  /** Undefined where positions cannot be compared. */
  readonly compare?: ComparePositions | undefined;
};

/** Whether what was read of a resource may go out. One for all partitions of that resource. */
export type EmitRight = {
  /** Somebody else may be the owner: nothing of it goes out any more, and what is left is dropped. */
  readonly fenced: boolean;
  /** Whether it may go out at this very moment: the answer is worth nothing after an `await`. */
  readonly mayEmit: () => boolean;
  /** Has `discard` called once it is fenced; another one under the same name takes its place. */
  onFenced(name: string, discard: () => void): void;
};

import type { AckLedger } from "./ack-ledger.ts";

/** One ordered stream of packets of one input, with its own ledger, lane and checkpoint. */
export type Partition = {
  /** Unique in the process: the lane of its packets in every mailbox. */
  readonly lane: number;
  readonly input: string;
  readonly resource: string;
  readonly name: string;
  readonly ledger: AckLedger;
};

/** Packets of one record, in order, with consecutive numbers from `first` on. */
export type SpillRecord = {
  readonly first: number;
  readonly count: number;
  readonly body: Uint8Array;
};

/** What a record is made of. */
export type SpillBody = { readonly count: number; readonly body: Uint8Array };

/**
 * A log of packets on disk, in order: what is appended is read once, and deleted when it is acked.
 * Packets are numbered from 1, without holes. Every implementation runs `test/contract/spill-log.ts`.
 */
export type SpillLog = {
  /** Packets that are not acked. */
  readonly packets: number;
  /** What the files take, in bytes. */
  readonly bytes: number;
  /** The number of the newest packet that is acked with all before it. */
  readonly acked: number;
  /** Durable when it resolves, all of it; nothing of it is there when it rejects (`SPILL_UNWRITABLE`). */
  append(bodies: readonly SpillBody[]): Promise<void>;
  /** The next record that was not read yet; undefined when there is none. One call at a time. */
  read(): Promise<SpillRecord | undefined>;
  /** All packets up to this number are done with. Their files go when no other packet is in them. */
  ack(number: number): Promise<void>;
  close(): Promise<void>;
};

/** Packets that were in the log and cannot be read any more. */
export type SpillLoss = { readonly from: number; readonly to: number; readonly reason: string };

export type SpillOptions = {
  /** What the files may take; a segment of them is a part of it. */
  readonly bytesMax: number;
  readonly onLoss: (loss: SpillLoss) => void;
};

/** The logs of one data folder, by the name of their output. */
export type SpillStore = {
  /** Throws `SPILL_UNWRITABLE`. */
  open(name: string, options: SpillOptions): Promise<SpillLog>;
  /** The outputs whose logs are not empty. */
  left(): Promise<readonly { readonly name: string; readonly packets: number }[]>;
};

import type { DbusError } from "../../../errors.ts";
import type { KafkaRecord, PartitionBatch } from "../port.ts";

/** One batch of a `produce` on its way: what is settled, and where it goes on. */
export type ProduceJob = {
  readonly batch: PartitionBatch;
  readonly results: (DbusError | null)[];
  /** Index of the first record that is not settled. */
  from: number;
  /** Set while the broker has found a batch too large or faulty: the next one is made smaller. */
  bytesMax: number;
  done: boolean;
};

export function produceJob(batch: PartitionBatch): ProduceJob {
  return {
    batch,
    results: new Array<DbusError | null>(batch.records.length).fill(null),
    from: 0,
    bytesMax: Number.POSITIVE_INFINITY,
    done: batch.records.length === 0,
  };
}

/** Ends the job: all that is not settled yet failed with this. */
export function refuseRest(job: ProduceJob, error: DbusError): void {
  job.results.fill(error, job.from);
  job.done = true;
}

/** Settles the records before `end`; those that were not refused are written. */
export function settleUpTo(job: ProduceJob, end: number): void {
  job.from = end;
  job.done = end >= job.batch.records.length;
}

/** The records of `from` up to `end` that were not refused: those that went into the batch. */
export function sentRecords(job: ProduceJob, end: number): readonly KafkaRecord[] {
  const { records } = job.batch;
  return records.slice(job.from, end).filter((_, i) => job.results[job.from + i] === null);
}

import { assert } from "../../../assert.ts";
import type { KafkaRecord } from "../port.ts";

/*
 * The idempotence of one partition. The broker keeps (producer id, epoch, sequence) of the last
 * batches of each partition: a batch that comes again with the same numbers is not written twice,
 * one that skips a number is refused, one of an older epoch is refused.
 *
 * So a batch whose fate is not known (connection lost, timed out) has to be sent again with the very
 * same records and numbers. When it comes back with others, the partition goes over to a new epoch,
 * which starts at 0 and shuts out whatever of the old one may still be on its way: the records may
 * then stand there twice, but never in another order.
 */

const sequenceCount = 2 ** 31;
const epochMax = 32767;

export type PartitionSequence = {
  epoch: number;
  /** Of the next record. */
  next: number;
  /** The batch whose fate is unknown, as it was sent. */
  unresolved: readonly KafkaRecord[] | undefined;
};

export function partitionSequence(epoch: number): PartitionSequence {
  return { epoch, next: 0, unresolved: undefined };
}

/** Adds as the broker does: the numbers go round from 2^31 - 1 to 0. */
export function advance(sequence: number, count: number): number {
  return (sequence + count) % sequenceCount;
}

/** Whether the producer id is used up, and a new one is needed. */
export function isExhausted(state: PartitionSequence): boolean {
  return state.epoch >= epochMax;
}

/** Leaves the old numbers behind. */
export function bumpEpoch(state: PartitionSequence): void {
  assert(!isExhausted(state), "a producer epoch never exceeds 32767");
  state.epoch++;
  state.next = 0;
  state.unresolved = undefined;
}

/**
 * How many of `records`, from `from` on, are the unresolved batch and so must go alone and as they
 * went before; 0 when there is none. Undefined when they are not what was sent.
 */
export function repeatedCount(
  state: PartitionSequence,
  records: readonly KafkaRecord[],
  from: number,
): number | undefined {
  const { unresolved } = state;
  if (!unresolved) return 0;
  if (records.length - from < unresolved.length) return undefined;
  for (let i = 0; i < unresolved.length; i++) {
    if (records[from + i] !== unresolved[i]) return undefined;
  }
  return unresolved.length;
}

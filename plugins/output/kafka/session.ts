import { DbusError, type Log, type Position, toDbusError } from "#plugin";
import type { KafkaTransactor, PartitionBatch, PartitionResult } from "#src/clients/kafka/port.ts";
import type { Positions } from "./positions.ts";

/** How far a transaction brings each partition of an input. */
export type Marks = ReadonlyMap<string, Position>;

/**
 * The transactions of one resource of an input: its transactional id, and how far each partition of
 * it is committed. One transaction at a time, whoever calls.
 */
export type Session = {
  /** Runs alone, once the id is ours and `marks` is what is committed. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  readonly marks: Marks;
  /**
   * One transaction with these batches and marks. Undefined when it is committed, else what stands
   * against each batch. Throws a `DbusError`; what is committed is read again before the next.
   */
  commit(
    batches: readonly PartitionBatch[],
    marks: Marks,
  ): Promise<readonly PartitionResult[] | undefined>;
  forget(partition: string): Promise<void>;
  close(): Promise<void>;
};

export function createSession(
  id: string,
  transactor: KafkaTransactor,
  positions: Positions,
  log: Log,
): Session {
  let marks = new Map<string, Position>();
  let owned = false;
  /** Whether `marks` is what is committed. */
  let certain = false;
  let last: Promise<unknown> = Promise.resolve();

  async function ready(): Promise<void> {
    // Before the id is taken: whoever has it goes on until we can.
    if (!certain) await positions.ensure();
    if (!owned) await transactor.takeOver();
    else if (!transactor.ready) await transactor.renew();
    owned = true;
    if (certain) return;
    marks = await positions.read(id);
    certain = true;
    log.debug("read how far it is", { transactionalId: id, partitions: marks.size });
  }

  async function commit(batches: readonly PartitionBatch[], next: Marks) {
    const records = [...next].map(([partition, at]) => positions.record(id, partition, at));
    const own = { topic: positions.topic, partition: 0, records };
    certain = false;
    const { committed, results } = await transactor.write(
      records.length > 0 ? [...batches, own] : batches,
    );
    certain = true;
    if (committed) {
      for (const [partition, at] of next) marks.set(partition, at);
      return undefined;
    }
    // It is none of the packets' fault when the positions cannot be written.
    const wrong = results[batches.length]?.find((error) => error !== null);
    certain = !wrong;
    if (wrong) throw wrong.kind === "retry" ? wrong : asTrouble(wrong);
    return results.slice(0, batches.length);
  }

  async function alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(async () => {
      await ready();
      return work();
    });
    last = turn.catch(() => {});
    try {
      return await turn;
    } catch (thrown) {
      const error = toDbusError(thrown);
      // A transaction that took too long fences its own writer: that one may go on under a new epoch.
      if (error.kind !== "fence" || !owned) throw error;
      await transactor.renew();
      throw asTrouble(error);
    }
  }

  return {
    alone,
    get marks() {
      return marks;
    },
    commit,
    forget: (partition) =>
      alone(async () => {
        if (!marks.has(partition)) return;
        const record = positions.record(id, partition, null);
        certain = false;
        const batch = { topic: positions.topic, partition: 0, records: [record] };
        const { committed, results } = await transactor.write([batch]);
        certain = true;
        if (!committed) throw results[0]?.[0] ?? asTrouble(new Error("it was aborted"));
        marks.delete(partition);
        log.info("forgot how far it is", { transactionalId: id, partition });
      }),
    close: () => transactor.close(),
  };
}

/** Something that is tried again. */
function asTrouble(error: Error): DbusError {
  return new DbusError("KAFKA_TRANSACTION_UNSURE", error.message, { cause: error });
}

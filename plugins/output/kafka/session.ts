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

export type SessionOptions = {
  readonly id: string;
  /** The version of the assignment under which its resource is read; undefined without a cluster. */
  readonly fence: number | undefined;
  readonly transactor: KafkaTransactor;
  readonly positions: Positions;
  readonly log: Log;
};

export function createSession({ id, fence, transactor, positions, log }: SessionOptions): Session {
  let marks = new Map<string, Position>();
  let owned = false;
  /** Whether `marks` is what is committed. */
  let certain = false;
  /** Set when a later assignment has the id: nothing of this one is written any more. */
  let stale: DbusError | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function ready(): Promise<void> {
    if (stale) throw stale;
    // Before the id is taken: whoever has it goes on until we can.
    if (!certain) await positions.ensure();
    if (!owned) await transactor.takeOver();
    else if (!transactor.ready) await transactor.renew();
    owned = true;
    if (certain) return;
    const kept = await positions.read(id);
    if (fence !== undefined) await announce(fence, kept.fence);
    marks = kept.marks;
    certain = true;
    log.debug("read how far it is", { transactionalId: id, partitions: marks.size });
  }

  /** Lets a former owner know that it is one, whenever it looks. */
  async function announce(own: number, known: number): Promise<void> {
    if (known > own) throw outdated(known);
    if (known === own) return;
    const records = [positions.owner(id, own)];
    const batch = { topic: positions.topic, partition: 0, records };
    const { committed, results } = await transactor.write([batch]);
    if (!committed) throw asTrouble(results[0]?.[0] ?? new Error("it was aborted"));
  }

  function outdated(known: number): DbusError {
    const text = `${id} is used under assignment ${known}, and this one is ${fence}`;
    stale = new DbusError("KAFKA_FENCED", text);
    return stale;
  }

  /**
   * Somebody else has the id. Who has the later assignment takes it back, as one that wakes up late
   * may have taken it; the other one never does. Without a cluster nobody can tell.
   */
  async function fenced(error: DbusError): Promise<DbusError> {
    certain = false;
    if (fence === undefined) return error;
    const known = (await positions.read(id)).fence;
    if (known > fence) return outdated(known);
    owned = false;
    return asTrouble(error);
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
      if (error.kind !== "fence" || !owned || stale) throw error;
      try {
        await transactor.renew();
      } catch (again) {
        const why = toDbusError(again);
        throw why.kind === "fence" ? await fenced(why) : why;
      }
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

import { assert } from "../../../assert.ts";
import { DbusError, toDbusError } from "../../../errors.ts";
import type { OpenConnection } from "../broker-connection.ts";
import { createCluster } from "../cluster.ts";
import type {
  KafkaTransactor,
  KafkaTransactorOptions,
  PartitionBatch,
  TransactionResult,
} from "../port.ts";
import { requestTransactionalId } from "../wire/init-producer-id.ts";
import { noError, notAttempted, producerFenced, protocolError } from "../wire/protocol-errors.ts";
import { addPartitions, endTransaction } from "../wire/transactions.ts";
import { createBatchWriter } from "./batch-writer.ts";
import { type PartitionSequence, partitionSequence } from "./partition-sequence.ts";
import { type ProduceJob, produceJob, refuseRest } from "./produce-job.ts";
import type { ProducerIdentity } from "./producer-identity.ts";
import { createTransactionCoordinator } from "./transaction-coordinator.ts";

/*
 * A transaction is: AddPartitionsToTxn at the coordinator, Produce at the leaders, EndTxn at the
 * coordinator, which then writes markers behind the records. After anything but a commit that was
 * acknowledged the next one needs another epoch: a request of the old one that is still on its way,
 * an EndTxn above all, would otherwise be taken for one of the next transaction.
 */
export function createTransactor(
  open: OpenConnection,
  options: KafkaTransactorOptions,
): KafkaTransactor {
  const { transactionalId, timeoutMs } = options;
  const cluster = createCluster(open, options);
  const coordinator = createTransactionCoordinator(cluster, options);
  const sequences = new Map<string, PartitionSequence>();
  const id = `transactional id ${transactionalId}`;
  let producerId = -1n;
  let epoch = -1;
  let ready = false;
  let busy = false;

  const identity: ProducerIdentity = {
    transactionalId,
    ready: async () => {},
    producerId: () => producerId,
    sequence(topic, partition) {
      const name = `${topic} ${partition}`;
      const known = sequences.get(name) ?? partitionSequence(epoch);
      sequences.set(name, known);
      return known;
    },
  };
  const produce = createBatchWriter(cluster, identity, options);
  const who = () => ({ transactionalId, producerId, epoch });

  async function init(asked: { readonly producerId: bigint; readonly epoch: number }) {
    ready = false;
    const request = { transactionalId, timeoutMs, ...asked };
    const answer = await coordinator.ask(
      (connection) => requestTransactionalId(connection, request),
      ({ errorCode }) => [errorCode],
    );
    if (answer.errorCode !== noError) throw failure(answer.errorCode, "take the id");
    producerId = answer.producerId;
    epoch = answer.producerEpoch;
    sequences.clear();
    ready = true;
  }

  function failure(code: number, what: string): DbusError {
    const fenced = producerFenced.includes(code);
    const error = protocolError(code, `${id}: ${what}`);
    return fenced ? new DbusError("KAFKA_FENCED", error.message) : error;
  }

  /** Announces the partitions of the jobs; those that cannot be written say so. */
  async function announce(jobs: readonly ProduceJob[]): Promise<void> {
    const partitions = jobs.map(({ batch: { topic, partition } }) => ({ topic, partition }));
    const answers = await coordinator.ask(
      (connection) => addPartitions(connection, who(), partitions),
      (found) => found.map(({ errorCode }) => errorCode),
    );
    const codes = new Map(answers.map((one) => [`${one.topic}/${one.partition}`, one.errorCode]));
    const fenced = codes.values().find((code) => producerFenced.includes(code));
    if (fenced !== undefined) throw failure(fenced, "begin");
    for (const job of jobs) {
      const place = `${job.batch.topic}/${job.batch.partition}`;
      const code = codes.get(place) ?? notAttempted;
      if (code === noError) continue;
      cluster.forget(job.batch.topic);
      refuseRest(job, protocolError(code, `${id}: begin with ${place}`));
    }
  }

  async function end(committed: boolean): Promise<void> {
    const code = await coordinator.ask(
      (connection) => endTransaction(connection, who(), committed),
      (errorCode) => [errorCode],
    );
    if (code !== noError) throw failure(code, committed ? "commit" : "abort");
  }

  /** What cannot be told from a commit, and what surely is none. */
  function commitError(thrown: unknown): DbusError {
    const error = toDbusError(thrown);
    if (error.kind === "fence" || error.code === "KAFKA_TRANSACTION_REFUSED") return error;
    const text = `${id}: whether it was committed is not known: ${error.message}`;
    return new DbusError("KAFKA_TRANSACTION_UNSURE", text, { cause: thrown });
  }

  const allWritten = (jobs: readonly ProduceJob[]) =>
    jobs.every(({ done, results }) => done && results.every((error) => error === null));

  async function transaction(batches: readonly PartitionBatch[]): Promise<TransactionResult> {
    const jobs = batches.map((batch) => produceJob(batch));
    const results = jobs.map((job) => job.results);
    ready = false;
    try {
      await announce(jobs);
    } catch (thrown) {
      const error = toDbusError(thrown);
      if (error.kind === "fence") throw error;
      for (const job of jobs) refuseRest(job, error);
    }
    const announced = jobs.every(({ results }) => results.every((error) => error === null));
    if (announced) await produce(jobs);
    if (announced && allWritten(jobs)) {
      await end(true).catch((error) => {
        throw commitError(error);
      });
      ready = true;
      return { committed: true, results };
    }
    // One that cannot be told so is aborted all the same: by `renew`, or when its time is over.
    await end(false).catch((error) => {
      if (toDbusError(error).kind === "fence") throw error;
    });
    return { committed: false, results };
  }

  return {
    get ready() {
      return ready;
    },
    takeOver: () => init({ producerId: -1n, epoch: -1 }),
    renew: () => init({ producerId, epoch }),
    async write(batches) {
      assert(ready && !busy, "one transaction at a time, under an epoch of its own");
      busy = true;
      try {
        return await transaction(batches);
      } finally {
        busy = false;
      }
    },
    async close() {
      ready = false;
      cluster.close();
    },
  };
}

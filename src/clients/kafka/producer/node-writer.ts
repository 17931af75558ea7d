import { toDbusError } from "../../../errors.ts";
import type { BrokerConnection } from "../broker-connection.ts";
import type { Cluster } from "../cluster.ts";
import type { KafkaProducerOptions, KafkaRecord } from "../port.ts";
import { duplicateSequence, mayBeKept, noError, protocolError } from "../wire/protocol-errors.ts";
import { advance, bumpEpoch, type PartitionSequence, repeatedCount } from "./partition-sequence.ts";
import { type ProduceJob, refuseRest, sentRecords, settleUpTo } from "./produce-job.ts";
import {
  type ProduceAnswer,
  produceKey,
  produceRequest,
  produceVersion,
  produceVersionMin,
  writeProduce,
} from "./produce-request.ts";
import type { ProducerIdentity } from "./producer-identity.ts";
import { type EncodedBatch, requestWriter } from "./record-batch.ts";

/** Requests from here on have the event loop's turn to themselves. */
const largeBytes = 4 << 20;

/** Writes to the partitions that one broker leads, one request at a time. */
export type NodeWriter = {
  /** Tries each job until it is done or has failed; never throws for what concerns a job. */
  write(jobs: readonly ProduceJob[]): Promise<void>;
};

type Parts = {
  readonly cluster: Cluster;
  readonly identity: ProducerIdentity;
  readonly options: KafkaProducerOptions;
};

/** One job's share of one request. */
type Share = {
  readonly job: ProduceJob;
  readonly sequence: PartitionSequence | undefined;
  readonly encoded: EncodedBatch;
  readonly sent: readonly KafkaRecord[];
};

const requestBytesMax = 16 << 20;
const tooLarge = [10, 18];
/** The broker refuses the whole batch and does not say which record it means. */
const faulty = [32, 87];
const sequenceLost = [45, 47, 59];

export function createNodeWriter(nodeId: number, parts: Parts): NodeWriter {
  const { cluster, identity, options } = parts;
  const writer = requestWriter(options.compression, options.recordBytesMax);
  /** What a topic's broker takes in one batch, where it was found to be less than configured. */
  const learned = new Map<string, number>();

  function encode(job: ProduceJob): Share | undefined {
    const { topic, partition, records } = job.batch;
    const sequence = identity.sequence(topic, partition);
    let repeated = sequence ? repeatedCount(sequence, records, job.from) : 0;
    if (sequence && repeated === undefined) bumpEpoch(sequence);
    repeated ??= 0;
    const { transactionalId } = identity;
    const stamp = {
      transactional: transactionalId !== undefined,
      producerId: identity.producerId(),
      epoch: sequence?.epoch ?? -1,
      sequence: sequence?.next ?? -1,
    };
    // A batch that is sent again has to have the very same records.
    const taken = repeated > 0 ? records.slice(0, job.from + repeated) : records;
    const bytesMax = Math.min(job.bytesMax, learned.get(topic) ?? options.batchBytesMax);
    const limit = repeated > 0 ? Number.POSITIVE_INFINITY : bytesMax;
    const encoded = writer.batch(taken, job.from, stamp, limit);
    for (const { index, error } of encoded.refused) job.results[index] = error;
    if (encoded.written > 0) return { job, sequence, encoded, sent: sentRecords(job, encoded.end) };
    settleUpTo(job, encoded.end);
    return undefined;
  }

  function encodeAll(connection: BrokerConnection, jobs: readonly ProduceJob[]): Share[] {
    const parts = jobs.map((job) => ({
      topic: job.batch.topic,
      partition: job.batch.partition,
      write() {
        const share = encode(job);
        return share && { share, encoded: share.encoded };
      },
    }));
    const head = {
      clientId: options.clientId,
      version: connection.version(produceKey, produceVersionMin, produceVersion),
      acks: options.acks === "all" ? (-1 as const) : (1 as const),
      // The broker gives up before we do, so that we learn of it.
      timeoutMs: Math.ceil((options.requestTimeoutMs * 2) / 3),
      transactionalId: identity.transactionalId,
    };
    return writeProduce(writer, head, parts, requestBytesMax);
  }

  async function send(
    connection: BrokerConnection,
    shares: readonly Share[],
  ): Promise<ProduceAnswer> {
    const version = connection.version(produceKey, produceVersionMin, produceVersion);
    const places = shares.map(({ job }) => job.batch);
    try {
      const answer = await connection.sendFrame(produceRequest(writer, version, places));
      if (answer.throttleMs > 0) options.onThrottle?.(answer.throttleMs);
      return answer;
    } catch (error) {
      // What is left of the request may still lie in the socket.
      writer.abandon();
      throw error;
    }
  }

  function settle(share: Share, code: number): void {
    const { job, sequence, encoded, sent } = share;
    const { topic, partition } = job.batch;
    if (code === noError || code === duplicateSequence) {
      if (sequence) sequence.next = advance(sequence.next, sent.length);
      if (sequence) sequence.unresolved = undefined;
      settleUpTo(job, encoded.end);
    } else if (tooLarge.includes(code) || faulty.includes(code)) {
      if (sequence) sequence.unresolved = undefined;
      refuseOrSplit(share, code);
    } else {
      // The epoch of a transaction is not ours to raise: it is aborted, and the next has another.
      const own = identity.transactionalId === undefined;
      if (sequence && own && sequenceLost.includes(code)) bumpEpoch(sequence);
      else if (sequence && mayBeKept(code)) sequence.unresolved = sent;
      cluster.forget(topic);
      refuseRest(job, protocolError(code, `${topic}/${partition}`));
    }
  }

  /** Of one record the refusal means that one; several are tried again in smaller batches. */
  function refuseOrSplit({ job, encoded, sent }: Share, code: number): void {
    const { topic, partition, records } = job.batch;
    if (sent.length === 1) {
      const index = records.indexOf(sent[0] as KafkaRecord, job.from);
      job.results[index] = protocolError(code, `${topic}/${partition}`);
      settleUpTo(job, encoded.end);
      return;
    }
    job.bytesMax = Math.floor(encoded.bytes.length / 2);
    if (tooLarge.includes(code)) learn(topic, job.bytesMax);
  }

  function learn(topic: string, bytesMax: number): void {
    if (learned.size >= 10_000) learned.clear();
    learned.set(topic, Math.min(bytesMax, learned.get(topic) ?? Number.POSITIVE_INFINITY));
  }

  /** Nobody knows what became of a request that has no answer. */
  function loseTrack(shares: readonly Share[], error: unknown): void {
    for (const { job, sequence, sent } of shares) {
      if (sequence) sequence.unresolved = sent;
      cluster.forget(job.batch.topic);
      refuseRest(job, toDbusError(error));
    }
  }

  return {
    async write(jobs) {
      let open = jobs.filter((job) => !job.done);
      try {
        while (open.length > 0) {
          const connection = await cluster.node(nodeId);
          const shares = encodeAll(connection, open);
          if (shares.length > 0) {
            // To make it took long, and so does to send it: others get their turn in between.
            if (writer.position() > largeBytes) await new Promise((done) => setImmediate(done));
            try {
              const answer = await send(connection, shares);
              for (const [i, share] of shares.entries()) settle(share, answer.errorCodes[i] ?? -1);
            } catch (error) {
              loseTrack(shares, error);
            }
          }
          open = open.filter((job) => !job.done);
        }
      } catch (error) {
        for (const job of open) {
          cluster.forget(job.batch.topic);
          if (!job.done) refuseRest(job, toDbusError(error));
        }
      }
    },
  };
}

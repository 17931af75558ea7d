import { requests } from "kafkajs/src/protocol/requests";
import { assert } from "../../../assert.ts";
import { sleep } from "../../../clock.ts";
import { type DbusError, toDbusError } from "../../../errors.ts";
import type {
  KafkaProducer,
  KafkaProducerOptions,
  NewTopic,
  PartitionBatch,
  PartitionResult,
} from "../port.ts";
import { noError, protocolError, topicExists } from "../protocol-errors.ts";
import { createCluster } from "./cluster.ts";
import { checkTopic } from "./metadata.ts";
import { createNodeWriter, type NodeWriter } from "./node-writer.ts";
import { type ProduceJob, produceJob, refuseRest } from "./produce-job.ts";
import { createProducerIdentity } from "./producer-identity.ts";

const createTopicsKey = 19;

/**
 * The port over kafkajs's connections and codecs (TLS, SASL, framing, metadata), with a producer of
 * our own in place of its. Its producer answers for a whole request at once, so that one partition's
 * failure hides what became of the others; it takes the sequence numbers of all of them back and
 * tries again by itself, other batches in between; and it costs twice the CPU of what is here.
 *
 * One request is in flight to each broker, and one batch of each partition; what failed is given
 * back to the caller, who tries again when it wants.
 */
export function createKafkajsProducer(options: KafkaProducerOptions): KafkaProducer {
  const cluster = createCluster(options);
  const identity = createProducerIdentity(cluster, options);
  const writers = new Map<number, NodeWriter>();
  const closing = new AbortController();
  let busy = false;

  function writerOf(nodeId: number): NodeWriter {
    const writer = writers.get(nodeId) ?? createNodeWriter(nodeId, { cluster, identity, options });
    writers.set(nodeId, writer);
    return writer;
  }

  /** Sorts the jobs by the broker that leads their partition; the rest are refused. */
  async function byLeader(jobs: readonly ProduceJob[]): Promise<Map<number, ProduceJob[]>> {
    const topics = await cluster.topics([...new Set(jobs.map((job) => job.batch.topic))]);
    const sorted = new Map<number, ProduceJob[]>();
    for (const job of jobs) {
      const { topic, partition } = job.batch;
      try {
        const leader = checkTopic(topic, topics.get(topic)).leaders[partition];
        if (leader === undefined) throw protocolError(3, `${topic}/${partition}`);
        if (leader < 0) throw protocolError(5, `${topic}/${partition}`);
        const others = sorted.get(leader);
        if (others) others.push(job);
        else sorted.set(leader, [job]);
      } catch (error) {
        cluster.forget(topic);
        refuseRest(job, toDbusError(error));
      }
    }
    return sorted;
  }

  async function produceAll(jobs: readonly ProduceJob[]): Promise<void> {
    try {
      await identity.ready();
      const sorted = await byLeader(jobs);
      await Promise.all([...sorted].map(([nodeId, ofNode]) => writerOf(nodeId).write(ofNode)));
    } catch (error) {
      for (const job of jobs) if (!job.done) refuseRest(job, toDbusError(error));
    }
  }

  async function produce(batches: readonly PartitionBatch[]): Promise<readonly PartitionResult[]> {
    assert(!busy, "one produce at a time");
    busy = true;
    try {
      const jobs = batches.map((batch) => produceJob(batch));
      await produceAll(jobs);
      return jobs.map((job) => job.results);
    } finally {
      busy = false;
    }
  }

  async function createTopic(topic: NewTopic): Promise<void> {
    const controller = await cluster.controller();
    const { topicErrors } = await controller.call(createTopicsKey, requests.CreateTopics, {
      topics: [
        {
          topic: topic.topic,
          numPartitions: topic.partitions,
          replicationFactor: topic.replicationFactor,
        },
      ],
      timeout: options.requestTimeoutMs,
    });
    const { errorCode = noError, errorMessage } = topicErrors[0] ?? {};
    if (errorCode !== noError && errorCode !== topicExists) {
      throw protocolError(errorCode, `create topic ${topic.topic}`, errorMessage ?? undefined);
    }
    await leadersOf(topic.topic);
  }

  /** Waits until each partition of a new topic has its leader, which takes a cluster a moment. */
  async function leadersOf(topic: string): Promise<void> {
    const deadline = options.clock.now() + options.requestTimeoutMs;
    let last: DbusError;
    do {
      cluster.forget(topic);
      const found = (await cluster.topics([topic])).get(topic);
      try {
        if (checkTopic(topic, found).leaders.every((leader) => leader >= 0)) return;
        last = protocolError(5, `topic ${topic}`);
      } catch (error) {
        last = toDbusError(error);
      }
      await sleep(options.clock, 50, closing.signal);
    } while (options.clock.now() < deadline && !closing.signal.aborted);
    throw last;
  }

  return {
    async connect() {
      await cluster.any();
      await identity.ready();
    },
    async partitionCount(topic) {
      return checkTopic(topic, (await cluster.topics([topic])).get(topic)).leaders.length;
    },
    createTopic,
    produce,
    async close() {
      closing.abort();
      cluster.close();
    },
  };
}

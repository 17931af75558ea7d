import { assert } from "../../../assert.ts";
import { sleep } from "../../../clock.ts";
import { type DbusError, toDbusError } from "../../../errors.ts";
import type { OpenConnection } from "../broker-connection.ts";
import { createCluster } from "../cluster.ts";
import type {
  KafkaProducer,
  KafkaProducerOptions,
  NewTopic,
  PartitionBatch,
  PartitionResult,
} from "../port.ts";
import { requestPartitions, requestTopic } from "../wire/create-topics.ts";
import { checkTopic } from "../wire/metadata.ts";
import { invalidPartitions, noError, protocolError, topicExists } from "../wire/protocol-errors.ts";
import { createBatchWriter } from "./batch-writer.ts";
import { produceJob } from "./produce-job.ts";
import { createProducerIdentity } from "./producer-identity.ts";

/**
 * The port over the connections of a driver (TLS, SASL, framing), with a producer of our own in
 * place of its. Those of the drivers answer for a whole request at once, so that one partition's
 * failure hides what became of the others, and try again by themselves, other batches in between.
 *
 * One request is in flight to each broker, and one batch of each partition; what failed is given
 * back to the caller, who tries again when it wants.
 */
export function createProducer(open: OpenConnection, options: KafkaProducerOptions): KafkaProducer {
  const cluster = createCluster(open, options);
  const identity = createProducerIdentity(cluster, options);
  const write = createBatchWriter(cluster, identity, options);
  const closing = new AbortController();
  let busy = false;

  async function produce(batches: readonly PartitionBatch[]): Promise<readonly PartitionResult[]> {
    assert(!busy, "one produce at a time");
    busy = true;
    try {
      const jobs = batches.map((batch) => produceJob(batch));
      await write(jobs);
      return jobs.map((job) => job.results);
    } finally {
      busy = false;
    }
  }

  async function createTopic(topic: NewTopic): Promise<void> {
    const controller = await cluster.controller();
    const answer = await requestTopic(controller, topic, options.requestTimeoutMs);
    const { errorCode, message } = answer;
    if (errorCode !== noError && errorCode !== topicExists) {
      throw protocolError(errorCode, `create topic ${topic.topic}`, message);
    }
    await leadersOf(topic.topic, 1);
  }

  async function growTopic(topic: string, partitions: number): Promise<void> {
    const controller = await cluster.controller();
    const answer = await requestPartitions(controller, topic, partitions, options.requestTimeoutMs);
    const { errorCode, message } = answer;
    // Somebody else may have been faster: what counts is how many there are.
    if (errorCode !== noError && errorCode !== invalidPartitions) {
      throw protocolError(errorCode, `give topic ${topic} ${partitions} partitions`, message);
    }
    await leadersOf(topic, partitions);
  }

  /** Waits until each partition of a new topic has its leader, which takes a cluster a moment. */
  async function leadersOf(topic: string, atLeast: number): Promise<void> {
    const deadline = options.clock.now() + options.requestTimeoutMs;
    let last: DbusError;
    do {
      cluster.forget(topic);
      const found = (await cluster.topics([topic])).get(topic);
      try {
        const { leaders } = checkTopic(topic, found);
        if (leaders.length >= atLeast && leaders.every((leader) => leader >= 0)) return;
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
    clusterId: cluster.id,
    async partitionCount(topic) {
      // It may have grown since it was last asked for.
      cluster.forget(topic);
      return checkTopic(topic, (await cluster.topics([topic])).get(topic)).leaders.length;
    },
    createTopic,
    growTopic,
    produce,
    async close() {
      closing.abort();
      cluster.close();
    },
  };
}

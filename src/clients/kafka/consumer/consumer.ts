import { DbusError } from "../../../errors.ts";
import type { OpenConnection } from "../broker-connection.ts";
import { type Cluster, createCluster } from "../cluster.ts";
import type { KafkaConsumer, KafkaConsumerOptions, TopicInfo, TopicPartition } from "../port.ts";
import { earliestTime, latestTime, listOffsets, type OffsetAnswer } from "../wire/list-offsets.ts";
import { checkTopic, type TopicMetadata } from "../wire/metadata.ts";
import { noError, protocolError } from "../wire/protocol-errors.ts";
import { createCoordinator } from "./coordinator.ts";
import { createFetcher } from "./fetcher.ts";
import { createGroupMember } from "./group-member.ts";

/**
 * The port over the connections of a driver. The consumers of the drivers read ahead as far as they
 * like and commit by themselves; here one request is in flight to each broker, and only while
 * somebody polls. Questions and memberships have connections of their own: a broker answers the
 * requests of one connection in their order, and a fetch or a rebalance may wait.
 */
export function createConsumer(open: OpenConnection, options: KafkaConsumerOptions): KafkaConsumer {
  const reading = createCluster(open, options);
  const asking = createCluster(open, options);
  const fetcher = createFetcher(reading, options);
  const members: Cluster[] = [];
  const isolation = options.uncommitted ? 0 : 1;
  const coordinatorOf = (group: string) => createCoordinator(asking, group, options);

  async function offsetsOf(
    partitions: readonly TopicPartition[],
    timestamp: number,
  ): Promise<readonly OffsetAnswer[]> {
    const names = [...new Set(partitions.map(({ topic }) => topic))];
    const topics = await asking.topics(names);
    const byLeader = Map.groupBy(partitions, ({ topic, partition }) => {
      const leader = checkTopic(topic, topics.get(topic)).leaders[partition];
      if (leader === undefined) throw protocolError(3, `${topic}/${partition}`);
      if (leader < 0) throw protocolError(5, `${topic}/${partition}`);
      return leader;
    });
    const answers = [...byLeader].map(async ([nodeId, ofNode]) => {
      const asked = new Map<string, number[]>();
      for (const { topic, partition } of ofNode) {
        const others = asked.get(topic);
        if (others) others.push(partition);
        else asked.set(topic, [partition]);
      }
      return listOffsets(await asking.node(nodeId), asked, timestamp, isolation);
    });
    const found = (await Promise.all(answers)).flat();
    for (const { topic, partition, errorCode } of found) {
      if (errorCode !== noError) throw protocolError(errorCode, `${topic}/${partition}`);
    }
    return found;
  }

  /** Leaders move: what was known of them is not believed after a failure. */
  async function patiently<T>(partitions: readonly TopicPartition[], ask: () => Promise<T>) {
    try {
      return await ask();
    } catch (error) {
      for (const { topic } of partitions) asking.forget(topic);
      throw error;
    }
  }

  return {
    async connect() {
      await asking.any();
    },
    clusterId: asking.id,
    async allTopics() {
      const topics = await asking.allTopics();
      return new Map([...topics].map(([name, topic]) => [name, infoOf(topic)]));
    },
    async topics(names) {
      for (const name of names) asking.forget(name);
      const topics = await asking.topics(names);
      return new Map(names.map((name) => [name, infoOrError(name, topics.get(name))]));
    },
    offsets: (partitions, at) =>
      patiently(partitions, async () => {
        if (partitions.length === 0) return [];
        const time = at === "earliest" ? earliestTime : at === "latest" ? latestTime : at;
        const found = await offsetsOf(partitions, time);
        const beyond = found.filter(({ offset }) => offset < 0);
        if (beyond.length === 0) return found;
        const last = await offsetsOf(beyond, latestTime);
        return [...found.filter(({ offset }) => offset >= 0), ...last];
      }),
    read: (partitions) => fetcher.read(partitions),
    forget: (partitions) => fetcher.forget(partitions),
    poll: (waitMs, signal) => fetcher.poll(waitMs, signal),
    committed: (group) => coordinatorOf(group).committed(),
    commit: (group, offsets) =>
      coordinatorOf(group).commit({ group, generation: -1, memberId: "" }, offsets),
    member(group) {
      const cluster = createCluster(open, options);
      members.push(cluster);
      return createGroupMember(cluster, group, options);
    },
    async close() {
      fetcher.close();
      for (const cluster of members) cluster.close();
      reading.close();
      asking.close();
    },
  };
}

const infoOf = ({ leaders, id, internal }: TopicMetadata): TopicInfo => ({
  partitions: leaders.length,
  id: /^0*$/.test(id) ? "" : id,
  internal,
});

function infoOrError(name: string, topic: TopicMetadata | undefined): TopicInfo | DbusError {
  try {
    return infoOf(checkTopic(name, topic));
  } catch (error) {
    if (error instanceof DbusError) return error;
    throw error;
  }
}

import { DbusError } from "../../../errors.ts";
import type { OpenConnection } from "../broker-connection.ts";
import { type Cluster, createCluster } from "../cluster.ts";
import type { KafkaConsumer, KafkaConsumerOptions, TopicInfo } from "../port.ts";
import { checkTopic, type TopicMetadata } from "../wire/metadata.ts";
import { createCoordinator } from "./coordinator.ts";
import { createFetcher } from "./fetcher.ts";
import { createGroupMember } from "./group-member.ts";
import { createOffsets } from "./offsets.ts";

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
  const offsets = createOffsets(asking, options);
  const coordinatorOf = (group: string) => createCoordinator(asking, group, options);

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
    offsets: offsets.at,
    ends: offsets.ends,
    read: (partitions) => fetcher.read(partitions),
    forget: (partitions) => fetcher.forget(partitions),
    poll: (waitMs, signal) => fetcher.poll(waitMs, signal),
    committed: (group) => coordinatorOf(group).committed(),
    commit: (group, offsets) =>
      coordinatorOf(group).commit({ group, generation: -1, memberId: "" }, offsets),
    member(group) {
      const cluster = createCluster(open, options);
      members.push(cluster);
      return createGroupMember({ cluster, aside: asking }, group, options);
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

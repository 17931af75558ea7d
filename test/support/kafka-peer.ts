import { ConfigResourceTypes, Kafka, logLevel, Partitioners } from "kafkajs";
import { waitFor } from "./wait-for.ts";

/** What tests ask of Kafka with a client that shares no code with the producer under test. */
export type KafkaPeer = {
  createTopic(
    topic: string,
    partitions: number,
    config?: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** The settings that the topic was given. */
  topicConfigs(topic: string): Promise<ReadonlyMap<string, string>>;
  growTopic(topic: string, partitions: number): Promise<void>;
  /** How many members a consumer group has agreed on; undefined while it is about to. */
  membersOf(groupId: string): Promise<number | undefined>;
  listTopics(): Promise<readonly string[]>;
  /** Resolves when it is gone. */
  deleteTopic(topic: string): Promise<void>;
  /** Deletes every record of a partition, as retention does. */
  deleteRecords(topic: string, partition: number): Promise<void>;
  /** Writes one record for each key, partitioned as the Java client does. */
  produceByKey(topic: string, keys: readonly string[], value?: string): Promise<void>;
  close(): Promise<void>;
};

export async function kafkaPeer(bootstrap: string): Promise<KafkaPeer> {
  const brokers = bootstrap.split(",");
  const kafka = new Kafka({ clientId: "dbus-peer", brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  return {
    async createTopic(topic, partitions, config = {}) {
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      const wanted = { topic, numPartitions: partitions, replicationFactor: -1, configEntries };
      await admin.createTopics({ waitForLeaders: false, topics: [wanted] });
      // A broker that was just told of it may not know it for a moment, which kafkajs does not bear.
      await waitFor(
        async () => {
          const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
          return topics[0]?.partitions.every(({ leader }) => leader >= 0);
        },
        { what: `a leader of each partition of ${topic}` },
      );
    },
    async topicConfigs(topic) {
      const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }];
      const { resources: found } = await admin.describeConfigs({
        includeSynonyms: false,
        resources,
      });
      return new Map(found[0]?.configEntries.map((one) => [one.configName, one.configValue]));
    },
    listTopics: () => admin.listTopics(),
    async membersOf(groupId) {
      const { groups } = await admin.describeGroups([groupId]);
      return groups[0]?.state === "Stable" ? groups[0].members.length : undefined;
    },
    async growTopic(topic, count) {
      await admin.createPartitions({ topicPartitions: [{ topic, count }] });
    },
    async deleteTopic(topic) {
      await admin.deleteTopics({ topics: [topic] });
      await waitFor(async () => !(await admin.listTopics()).includes(topic), {
        what: `topic ${topic} to be gone`,
      });
    },
    async deleteRecords(topic, partition) {
      // What it knows of a topic it has to be asked for once.
      await admin.fetchTopicOffsets(topic);
      const offset = "-1";
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset }] });
    },
    async produceByKey(topic, keys, value = "v") {
      // Without numbers of its own kafkajs writes a batch twice when a new topic moves under it.
      const producer = kafka.producer({
        createPartitioner: Partitioners.DefaultPartitioner,
        idempotent: true,
        maxInFlightRequests: 1,
      });
      await producer.connect();
      await producer.send({ topic, messages: keys.map((key) => ({ key, value })) });
      await producer.disconnect();
    },
    close: () => admin.disconnect(),
  };
}

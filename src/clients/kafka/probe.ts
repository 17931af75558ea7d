import { DbusError, toDbusError } from "../../errors.ts";
import type { OpenConnection } from "./broker-connection.ts";
import { createCluster, parseBroker } from "./cluster.ts";
import { createCoordinator } from "./consumer/coordinator.ts";
import type { KafkaConnectionOptions, NewTopic } from "./port.ts";
import { requestTopic } from "./wire/create-topics.ts";
import { checkTopic, fetchMetadata } from "./wire/metadata.ts";
import { noError, protocolError, topicExists } from "./wire/protocol-errors.ts";

/** The bits of KIP-430 for what the bus wants of a topic. */
const rightBits = { read: 1 << 3, write: 1 << 4 };

export type TopicRight = keyof typeof rightBits;

/** Finds out of a cluster what there is and what is allowed, and changes nothing there. */
export type KafkaProbe = {
  /** Tries every broker of the list; answers those that were reached, and why the others were not. */
  brokers(): Promise<{
    readonly reached: readonly string[];
    readonly errors: readonly DbusError[];
  }>;
  /** The names of all topics that may be seen, Kafka's own left out. */
  topics(): Promise<readonly string[]>;
  /**
   * How many partitions a topic has. Throws KAFKA_TOPIC_MISSING, KAFKA_TOPIC_DENIED when the right to
   * it is missing, and KAFKA_UNREACHABLE when a leader cannot be reached where it says it is.
   */
  topic(name: string, right: TopicRight): Promise<number>;
  /** Throws what stands against making it. */
  mayCreate(topic: NewTopic): Promise<void>;
  /** Throws KAFKA_GROUP_DENIED. */
  group(name: string): Promise<void>;
  close(): void;
};

export function probeKafka(open: OpenConnection, options: KafkaConnectionOptions): KafkaProbe {
  const cluster = createCluster(open, options);

  async function reach(broker: string): Promise<string | DbusError> {
    try {
      const connection = await open(parseBroker(broker), options);
      connection.drop();
      return broker;
    } catch (error) {
      return toDbusError(error);
    }
  }

  return {
    async brokers() {
      const tried = await Promise.all(options.brokers.map(reach));
      return {
        reached: tried.filter((one) => typeof one === "string"),
        errors: tried.filter((one) => one instanceof DbusError),
      };
    },
    async topics() {
      const all = [...(await cluster.allTopics())];
      return all.flatMap(([name, { internal }]) => (internal ? [] : [name]));
    },
    async topic(name, right) {
      const { topics } = await fetchMetadata(await cluster.any(), [name], true);
      const found = checkTopic(name, topics.get(name));
      if (found.rights !== undefined && (found.rights & rightBits[right]) === 0) {
        const who = options.sasl ? `user ${options.sasl.username}` : "this client";
        throw new DbusError("KAFKA_TOPIC_DENIED", `${who} may not ${right} topic ${name}`);
      }
      const leaders = new Set(found.leaders.filter((leader) => leader >= 0));
      await Promise.all([...leaders].map((leader) => cluster.node(leader)));
      return found.leaders.length;
    },
    async mayCreate(topic) {
      const controller = await cluster.controller();
      const answer = await requestTopic(controller, topic, options.requestTimeoutMs, true);
      if (answer.errorCode === noError || answer.errorCode === topicExists) return;
      throw protocolError(answer.errorCode, `create topic ${topic.topic}`, answer.message);
    },
    async group(name) {
      await createCoordinator(cluster, name, options).committed();
    },
    close: () => cluster.close(),
  };
}

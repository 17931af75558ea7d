import { DbusError, type OutputContext, toDbusError } from "#plugin";
import type { KafkaProducer } from "#src/clients/kafka/port.ts";
import type { KafkaOutputConfig } from "./kafka-config.ts";

/** How many partitions each topic has, as far as its keys are concerned. */
export type Topics = {
  /** Known from memory, and enough; or undefined: then ask `learn`. */
  partitions(topic: string, atLeast?: number): number | undefined;
  /**
   * Finds topics out, and creates and grows them where that is allowed; resolves to what stands
   * against each. They are given with how many partitions each must have, 0 for any number.
   */
  learn(topics: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, DbusError>>;
  /** Asks anew the next time. */
  forget(topic: string): void;
  /** Looks from time to time whether a topic has grown, and warns. */
  check(): Promise<void>;
};

const checkIntervalMs = 60_000;
const topicsMax = 100_000;
/** A first start may have thousands of tables. */
const atOnce = 8;

type Learned = { readonly partitions: number; warnedOf: number };

export function createTopics(
  producer: Pick<KafkaProducer, "partitionCount" | "createTopic" | "growTopic">,
  config: Pick<KafkaOutputConfig, "createTopics">,
  { clock, log }: Pick<OutputContext, "clock" | "log">,
): Topics {
  const known = new Map<string, Learned>();
  let checkedAt = clock.now();

  async function count(topic: string, atLeast: number): Promise<number> {
    const found = await create(topic, atLeast);
    if (found >= atLeast) return found;
    if (config.createTopics === false) {
      const text = `topic ${topic} has ${found} partitions, and ${atLeast} are needed`;
      throw new DbusError("KAFKA_TOPIC_MISSING", text);
    }
    await producer.growTopic(topic, atLeast);
    log.info("gave a topic more partitions", { topic, before: found, partitions: atLeast });
    return producer.partitionCount(topic);
  }

  async function create(topic: string, atLeast: number): Promise<number> {
    try {
      return await producer.partitionCount(topic);
    } catch (error) {
      const { createTopics } = config;
      if (!(error instanceof DbusError) || error.code !== "KAFKA_TOPIC_MISSING") throw error;
      if (createTopics === false) throw error;
      const { replicationFactor = -1, configs } = createTopics;
      const partitions = Math.max(createTopics.partitions ?? -1, atLeast || -1);
      const wanted = { topic, partitions, replicationFactor };
      await producer.createTopic(configs ? { ...wanted, configs: spelled(configs) } : wanted);
      log.info("created a topic", { topic });
      return producer.partitionCount(topic);
    }
  }

  async function learn(topics: ReadonlyMap<string, number>) {
    const failures = new Map<string, DbusError>();
    const waiting = [...topics];
    const learnNext = async () => {
      for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
        const [topic, atLeast] = one;
        try {
          const partitions = await count(topic, atLeast);
          if (known.size >= topicsMax) known.clear();
          known.set(topic, { partitions, warnedOf: partitions });
        } catch (error) {
          failures.set(topic, toDbusError(error));
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, learnNext));
    return failures;
  }

  /**
   * A key must stay where it is while the daemon runs, or a newer record of it could overtake an
   * older one in another partition (fault 32).
   */
  async function check(): Promise<void> {
    if (clock.now() - checkedAt < checkIntervalMs) return;
    checkedAt = clock.now();
    for (const [topic, learned] of known) {
      const partitions = await producer.partitionCount(topic).catch(() => undefined);
      // Whatever is wrong is met, and told, when something is written.
      if (partitions === undefined) return;
      if (partitions <= learned.warnedOf) continue;
      learned.warnedOf = partitions;
      log.warn("a topic has grown; its keys stay in the partitions they had until a restart", {
        topic,
        used: learned.partitions,
        partitions,
      });
    }
  }

  return {
    partitions(topic, atLeast = 0) {
      const partitions = known.get(topic)?.partitions;
      return partitions !== undefined && partitions < atLeast ? undefined : partitions;
    },
    learn,
    forget: (topic) => void known.delete(topic),
    check,
  };
}

/** Kafka takes every setting as text. */
function spelled(configs: Readonly<Record<string, string | number | boolean>>) {
  return Object.fromEntries(Object.entries(configs).map(([name, value]) => [name, String(value)]));
}

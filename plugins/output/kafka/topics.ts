import { DbusError, type OutputContext, toDbusError } from "#plugin";
import type { KafkaProducer } from "#src/clients/kafka/port.ts";
import type { KafkaOutputConfig } from "./kafka-config.ts";

/** How many partitions each topic has, as far as its keys are concerned. */
export type Topics = {
  /** Known from memory, or undefined: then ask `learn`. */
  partitions(topic: string): number | undefined;
  /** Finds topics out, creates them where that is allowed; resolves to what stands against each. */
  learn(topics: Iterable<string>): Promise<ReadonlyMap<string, DbusError>>;
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
  producer: Pick<KafkaProducer, "partitionCount" | "createTopic">,
  config: Pick<KafkaOutputConfig, "createTopics">,
  { clock, log }: Pick<OutputContext, "clock" | "log">,
): Topics {
  const known = new Map<string, Learned>();
  let checkedAt = clock.now();

  async function count(topic: string): Promise<number> {
    try {
      return await producer.partitionCount(topic);
    } catch (error) {
      const { createTopics } = config;
      if (!(error instanceof DbusError) || error.code !== "KAFKA_TOPIC_MISSING") throw error;
      if (createTopics === false) throw error;
      const { partitions = -1, replicationFactor = -1 } = createTopics;
      await producer.createTopic({ topic, partitions, replicationFactor });
      log.info("created a topic", { topic });
      return producer.partitionCount(topic);
    }
  }

  async function learn(topics: Iterable<string>): Promise<ReadonlyMap<string, DbusError>> {
    const failures = new Map<string, DbusError>();
    const waiting = [...topics];
    const learnNext = async () => {
      for (let topic = waiting.pop(); topic !== undefined; topic = waiting.pop()) {
        try {
          const partitions = await count(topic);
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
    partitions: (topic) => known.get(topic)?.partitions,
    learn,
    forget: (topic) => void known.delete(topic),
    check,
  };
}

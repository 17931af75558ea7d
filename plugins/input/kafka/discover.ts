import { DbusError, type InputContext } from "#plugin";
import type { KafkaConsumer, TopicInfo } from "#src/clients/kafka/port.ts";
import type { LinearRegex } from "#src/format/linear-regex.ts";

export type Topics = ReadonlyMap<string, TopicInfo>;

/** Finds the topics that are to be read, again and again; what is missing is said once. */
export type Discovery = {
  find(): Promise<Topics>;
  /** Something that was named is not there, or nothing is: look again soon. */
  readonly incomplete: boolean;
};

export function createDiscovery(
  consumer: KafkaConsumer,
  wanted:
    | { readonly names: readonly string[] }
    | { readonly pattern: Pick<LinearRegex, "test">; readonly text: string },
  { log, reportState }: Pick<InputContext, "log" | "reportState">,
): Discovery {
  const said = new Set<string>();
  let incomplete = false;

  function missing(what: string, why: string, fields: Record<string, unknown>): void {
    incomplete = true;
    if (said.has(what)) return;
    said.add(what);
    log.warn(why, fields);
    reportState(`waiting for ${what}`);
  }

  function found(): void {
    if (said.size > 0 && !incomplete) {
      said.clear();
      reportState(null);
    }
  }

  async function byName(names: readonly string[]): Promise<Topics> {
    const topics = new Map<string, TopicInfo>();
    incomplete = false;
    for (const [name, info] of await consumer.topics(names)) {
      if (!(info instanceof DbusError)) {
        topics.set(name, info);
        continue;
      }
      if (!waited.has(info.code)) throw info;
      missing(
        `topic ${name}`,
        "a topic cannot be read; the others are, and it is as soon as it can",
        {
          topic: name,
          code: info.code,
          remedy: info.remedy,
        },
      );
    }
    found();
    return topics;
  }

  async function byPattern(pattern: Pick<LinearRegex, "test">, text: string): Promise<Topics> {
    const all = [...(await consumer.allTopics())];
    // Of this convention are the positions that KafkaOutput keeps: each batch would make one more.
    const meansOwn = text.startsWith("__");
    const matching = all.filter(([name, { internal }]) => {
      return !internal && (meansOwn || !name.startsWith("__")) && pattern.test(name);
    });
    incomplete = false;
    if (matching.length === 0) {
      missing(
        `a topic that matches ${text}`,
        "no topic matches topicPattern; it is looked for again",
        {
          topicPattern: text,
          topics: all.length,
        },
      );
    }
    found();
    return new Map(matching.filter(([, { partitions }]) => partitions > 0));
  }

  return {
    find: () => ("names" in wanted ? byName(wanted.names) : byPattern(wanted.pattern, wanted.text)),
    get incomplete() {
      return incomplete;
    },
  };
}

/** These pass once somebody has made the topic, or granted it. */
const waited: ReadonlySet<string> = new Set([
  "KAFKA_TOPIC_MISSING",
  "KAFKA_TOPIC_DENIED",
  "KAFKA_NOT_LEADER",
]);

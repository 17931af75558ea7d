import { type CheckContext, DbusError, toDbusError } from "#plugin";
import { checkBrokers } from "#src/clients/kafka/check-brokers.ts";
import type { KafkaProbe } from "#src/clients/kafka/probe.ts";
import { type KafkaInputConfig, patternOf } from "./kafka-input-config.ts";

/** Whether the brokers are reached, and what is to be read is there and may be. */
export function checkInput(context: CheckContext, config: KafkaInputConfig): Promise<void> {
  return checkBrokers(context, config, async (probe) => {
    const { groupId } = config;
    await checkTopics(probe, await namesOf(probe, context, config), context);
    if (groupId === undefined) return;
    await probe.group(groupId);
    context.ok(`group ${groupId} may be used`);
  });
}

/** Many topics of a pattern are alike: some of them are looked at. */
const lookedAtMax = 20;

async function namesOf(
  probe: KafkaProbe,
  context: CheckContext,
  { topics, partitions, topicPattern }: KafkaInputConfig,
): Promise<readonly string[]> {
  if (topicPattern === undefined) return topics ?? Object.keys(partitions ?? {});
  const pattern = patternOf(topicPattern);
  const all = await probe.topics();
  const matching = all.filter((name) => pattern.test(name));
  if (matching.length > 0) context.ok(`${matching.length} topics match ${topicPattern}`);
  else {
    const text = `none of ${all.length} topics matches ${topicPattern}`;
    const remedy =
      "check topicPattern, which is for whole names; it is read as soon as there is one";
    context.warn(new DbusError("KAFKA_TOPIC_MISSING", text, { remedy }));
  }
  return matching.slice(0, lookedAtMax);
}

async function checkTopics(
  probe: KafkaProbe,
  names: readonly string[],
  context: CheckContext,
): Promise<void> {
  for (const name of names) {
    try {
      const count = await probe.topic(name, "read");
      context.ok(`topic ${name} has ${count} ${count === 1 ? "partition" : "partitions"}`);
    } catch (thrown) {
      const error = toDbusError(thrown);
      // An input waits for a topic that is not there, so this may be meant.
      if (error.code === "KAFKA_TOPIC_MISSING") context.warn(waitsFor(error));
      else context.fail(error);
    }
  }
}

const waitsFor = ({ code, message }: DbusError): DbusError =>
  new DbusError(code, message, { remedy: "create it, or mend its name; it is waited for" });

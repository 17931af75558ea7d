import { type CheckContext, toDbusError } from "#plugin";
import { checkBrokers } from "#src/clients/kafka/check-brokers.ts";
import type { KafkaProbe } from "#src/clients/kafka/probe.ts";
import { parseTemplate } from "#src/format/template.ts";
import type { KafkaOutputConfig } from "./kafka-config.ts";

/** Whether the brokers are reached, and the topic is there and may be written to, or be made. */
export async function checkOutput(context: CheckContext, config: KafkaOutputConfig): Promise<void> {
  if (config.mode === "dryrun") return context.ok("mode dryrun: nothing is asked, nothing is sent");
  await checkBrokers(context, config, async (probe) => {
    const { topic } = config;
    if (parseTemplate(topic).variables.length === 0) return checkTopic(probe, context, config);
    context.ok(`topics are named by the data (${topic}), so none is looked at`);
  });
}

async function checkTopic(
  probe: KafkaProbe,
  context: CheckContext,
  { topic, createTopics, partition }: KafkaOutputConfig,
): Promise<void> {
  const needed = typeof partition === "number" ? partition + 1 : 1;
  try {
    const count = await probe.topic(topic, "write");
    const less = count < needed ? `, and would get ${needed}` : "";
    context.ok(`topic ${topic} has ${count} ${count === 1 ? "partition" : "partitions"}${less}`);
  } catch (thrown) {
    const error = toDbusError(thrown);
    if (error.code !== "KAFKA_TOPIC_MISSING" || createTopics === false) throw error;
    const { partitions = -1, replicationFactor = -1 } = createTopics;
    await probe.mayCreate({ topic, partitions: Math.max(partitions, needed), replicationFactor });
    context.ok(`topic ${topic} is not there, and may be made`);
  }
}

import type { BrokerConnection } from "../broker-connection.ts";
import type { NewTopic } from "../port.ts";
import { wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * CreateTopics Request (Version: 2 to 4) => [topics] timeout_ms validate_only
 *   topics => name num_partitions replication_factor [assignments] [configs]
 *     configs => name value
 * CreateTopics Response (Version: 2 to 4) => throttle_time_ms [topics]
 *   topics => name error_code error_message
 * CreatePartitions Request (Version: 0 to 1) => [name count [assignments]] timeout_ms validate_only
 * CreatePartitions Response (Version: 0 to 1) => throttle_time_ms [name error_code error_message]
 */
const createTopicsKey = 19;
const createPartitionsKey = 37;

type TopicAnswer = { readonly errorCode: number; readonly message: string };

export async function requestTopic(
  connection: BrokerConnection,
  { topic, partitions, replicationFactor, configs = {} }: NewTopic,
  timeoutMs: number,
  /** Only asks whether it might be made. */
  validateOnly = false,
): Promise<TopicAnswer> {
  const apiVersion = connection.version(createTopicsKey, 2, 4);
  const writer = wireWriter().int32(1).string(topic).int32(partitions).int16(replicationFactor);
  writer.int32(0).array(Object.entries(configs), ([name, value]) => {
    writer.string(name).string(value);
  });
  writer.int32(timeoutMs).int8(validateOnly ? 1 : 0);
  return connection.send({
    apiKey: createTopicsKey,
    apiVersion,
    apiName: "CreateTopics",
    body: writer.done(),
    decode: topicAnswer,
  });
}

export async function requestPartitions(
  connection: BrokerConnection,
  topic: string,
  count: number,
  timeoutMs: number,
): Promise<TopicAnswer> {
  const writer = wireWriter().int32(1).string(topic).int32(count).int32(-1);
  return connection.send({
    apiKey: createPartitionsKey,
    apiVersion: connection.version(createPartitionsKey, 0, 1),
    apiName: "CreatePartitions",
    body: writer.int32(timeoutMs).int8(0).done(),
    decode: topicAnswer,
  });
}

function topicAnswer(data: Buffer): TopicAnswer {
  const reader = wireReader(data);
  reader.int32();
  const [answer = { errorCode: -1, message: "" }] = reader.array(() => {
    reader.string();
    return { errorCode: reader.int16(), message: reader.string() };
  });
  return answer;
}

import { requests } from "kafkajs/src/protocol/requests";
import { protocolError } from "../protocol-errors.ts";
import type { Address, BrokerConnection } from "./connection.ts";

const metadataKey = 3;

export type TopicMetadata = {
  /** Of the protocol; 0 where all is well. */
  readonly errorCode: number;
  /** The node id of each partition's leader, -1 without one. */
  readonly leaders: readonly number[];
};

export type Metadata = {
  readonly brokers: ReadonlyMap<number, Address>;
  readonly controllerId: number;
  readonly topics: ReadonlyMap<string, TopicMetadata>;
};

/** Asks for the brokers and these topics alone. Never makes the broker create a topic. */
export async function fetchMetadata(
  connection: BrokerConnection,
  topics: readonly string[],
): Promise<Metadata> {
  const version = connection.version(metadataKey, 4, 6);
  // kafkajs would write no topics as all topics, so the body is ours and the reading is its.
  const { response } = requests.Metadata.protocol({ version })({
    topics: [],
    allowAutoTopicCreation: false,
  });
  const answer = await connection.send({
    apiKey: metadataKey,
    apiVersion: version,
    apiName: "Metadata",
    body: requestBody(topics),
    decode: (data) => response.decode(data),
  });
  return {
    brokers: new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }])),
    controllerId: answer.controllerId,
    topics: new Map(
      answer.topicMetadata.map(({ topic, topicErrorCode, partitionMetadata }) => {
        const leaders = partitionMetadata
          .toSorted((a, b) => a.partitionId - b.partitionId)
          .map((partition) => partition.leader);
        return [topic, { errorCode: topicErrorCode, leaders }];
      }),
    ),
  };
}

/** `[topics] allow_auto_topic_creation`, as since version 4. */
function requestBody(topics: readonly string[]): Buffer {
  const names = topics.map((topic) => Buffer.from(topic));
  const body = Buffer.allocUnsafe(names.reduce((size, name) => size + 2 + name.length, 5));
  let at = body.writeInt32BE(names.length, 0);
  for (const name of names) {
    at = body.writeInt16BE(name.length, at);
    at += name.copy(body, at);
  }
  body.writeInt8(0, at);
  return body;
}

/** Throws what the broker says against a topic, if it does. */
export function checkTopic(topic: string, metadata: TopicMetadata | undefined): TopicMetadata {
  const code = metadata?.errorCode ?? 3;
  if (metadata && code === 0 && metadata.leaders.length > 0) return metadata;
  throw protocolError(code === 0 ? 3 : code, `topic ${topic}`);
}

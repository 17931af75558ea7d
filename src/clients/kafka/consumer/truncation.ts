import { DbusError } from "../../../errors.ts";
import type { Cluster } from "../cluster.ts";
import type { TopicPartition } from "../port.ts";
import { type EpochQuestion, epochEnds } from "../wire/leader-epochs.ts";
import { noError, protocolError } from "../wire/protocol-errors.ts";

/**
 * Asks a new leader how far its log is the one that was read: undefined where it is as far as
 * `offset`, or nobody can tell. Throws what is passed by itself.
 */
export async function checkTruncation(
  cluster: Cluster,
  nodeId: number,
  { offset, ...question }: EpochQuestion & { readonly offset: number },
): Promise<number | undefined> {
  const connection = await cluster.node(nodeId);
  const answers = await epochEnds(connection, [question]).catch((error: unknown) => {
    // Kafka before 2.1 cannot be asked.
    if (error instanceof DbusError && error.code === "KAFKA_UNSUPPORTED") return [];
    throw error;
  });
  const { topic, partition } = question;
  const answer = answers.find((one) => one.topic === topic && one.partition === partition);
  if (answer === undefined) return undefined;
  if (answer.errorCode !== noError) throw protocolError(answer.errorCode, `${topic}/${partition}`);
  return answer.end >= 0 && answer.end < offset ? answer.end : undefined;
}

export function truncatedError(
  { topic, partition, offset }: TopicPartition & { readonly offset: number },
  truncated: number,
): DbusError {
  const text = `the new leader has other records from ${truncated} on`;
  return new DbusError(
    "KAFKA_OFFSET_OUT_OF_RANGE",
    `${topic}/${partition} at ${offset}: ${text} than were read`,
  );
}

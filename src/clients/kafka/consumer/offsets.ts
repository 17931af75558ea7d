import { DbusError } from "../../../errors.ts";
import type { Cluster } from "../cluster.ts";
import type { KafkaConsumer, KafkaConsumerOptions, TopicPartition } from "../port.ts";
import { earliestTime, latestTime, listOffsets, type OffsetAnswer } from "../wire/list-offsets.ts";
import { leaderOf } from "../wire/metadata.ts";
import { noError, protocolError } from "../wire/protocol-errors.ts";

/** What the brokers say of where partitions begin and end. */
export type Offsets = {
  readonly at: KafkaConsumer["offsets"];
  readonly ends: KafkaConsumer["ends"];
};

/** Of all that is written, or of what may be read. */
type Isolation = 0 | 1;

const nothingAsNew = -1;
const placeOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

export function createOffsets(
  cluster: Cluster,
  { uncommitted }: Pick<KafkaConsumerOptions, "uncommitted">,
): Offsets {
  const readable: Isolation = uncommitted ? 0 : 1;

  /** Asks the leaders; `refused` is told of what cannot be asked, and throws or lets it be. */
  async function ask(
    partitions: readonly TopicPartition[],
    timestamp: number,
    isolation: Isolation,
    refused: (error: unknown) => void,
  ): Promise<readonly OffsetAnswer[]> {
    const topics = await cluster.topics([...new Set(partitions.map(({ topic }) => topic))]);
    const byLeader = new Map<number, TopicPartition[]>();
    for (const one of partitions) {
      try {
        const leader = leaderOf(one, topics.get(one.topic));
        const ofLeader = byLeader.get(leader);
        if (ofLeader) ofLeader.push(one);
        else byLeader.set(leader, [one]);
      } catch (error) {
        refused(error);
      }
    }
    const answers = [...byLeader].map(async ([nodeId, asked]) => {
      try {
        return await listOffsets(await cluster.node(nodeId), asked, timestamp, isolation);
      } catch (error) {
        refused(error);
        return [];
      }
    });
    return (await Promise.all(answers)).flat();
  }

  async function askAll(
    partitions: readonly TopicPartition[],
    timestamp: number,
    isolation: Isolation,
  ): Promise<readonly OffsetAnswer[]> {
    const found = await ask(partitions, timestamp, isolation, (error) => {
      throw error;
    });
    const told = new Map(found.map((one) => [placeOf(one), one]));
    return partitions.map((partition) => {
      const answer = check(partition, told.get(placeOf(partition)));
      if (answer.offset < 0 && timestamp < 0) throw nonsense(answer);
      return answer;
    });
  }

  async function at(
    partitions: readonly TopicPartition[],
    when: Parameters<Offsets["at"]>[1],
  ): Promise<readonly OffsetAnswer[]> {
    if (when === "earliest") return askAll(partitions, earliestTime, readable);
    if (when === "latest") return askAll(partitions, latestTime, readable);
    if (when === "written") return askAll(partitions, latestTime, 0);
    const found = await askAll(partitions, when, readable);
    const beyond = found.filter(({ offset }) => offset === nothingAsNew);
    const last = beyond.length === 0 ? [] : await askAll(beyond, latestTime, readable);
    return [...found.filter(({ offset }) => offset !== nothingAsNew), ...last];
  }

  return {
    async at(partitions, when) {
      if (partitions.length === 0) return [];
      try {
        return await at(partitions, when);
      } catch (error) {
        // Leaders move: what was known of them is not believed after a failure.
        for (const { topic } of partitions) cluster.forget(topic);
        throw error;
      }
    },
    async ends(partitions) {
      const found = await ask(partitions, latestTime, 0, () => {});
      const told = found.filter(
        ({ errorCode, offset }) => errorCode === noError && isOffset(offset),
      );
      const known = new Set(told.map(placeOf));
      for (const one of partitions) if (!known.has(placeOf(one))) cluster.forget(one.topic);
      return told;
    },
  };
}

/** What a broker says of a partition, which may be that nothing is as new as was asked for. */
function check(asked: TopicPartition, answer: OffsetAnswer | undefined): OffsetAnswer {
  if (answer === undefined) {
    const text = `${placeOf(asked)}: the broker said nothing of its offsets`;
    throw new DbusError("KAFKA_REQUEST_FAILED", text);
  }
  if (answer.errorCode !== noError) throw protocolError(answer.errorCode, placeOf(asked));
  if (answer.offset !== nothingAsNew && !isOffset(answer.offset)) throw nonsense(answer);
  return answer;
}

const isOffset = (offset: number) => Number.isSafeInteger(offset) && offset >= 0;

function nonsense(answer: OffsetAnswer): DbusError {
  const text = `${placeOf(answer)}: the broker said that ${answer.offset} is an offset of it`;
  return new DbusError("KAFKA_REQUEST_FAILED", text);
}

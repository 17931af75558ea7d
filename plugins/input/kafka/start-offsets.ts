import { DbusError, type InputContext, type Json } from "#plugin";
import type { KafkaConsumer, TopicPartition } from "#src/clients/kafka/port.ts";
import type { KafkaInputConfig, KafkaPosition } from "./kafka-input-config.ts";
import { positionAt } from "./packets.ts";
import type { Found } from "./place.ts";
import { placeName } from "./place.ts";

/** A partition to be read, with what is known of where to go on. */
export type Candidate = Found & {
  /** Of the ledger or the store; null without one. */
  readonly checkpoint: KafkaPosition | null;
  /** Of the group. */
  readonly committed: KafkaPosition | undefined;
  /** It appeared while we were reading, so all of it is news. */
  readonly isNew: boolean;
};

/** Of the leader that wrote what is before the offset; -1 where it is not known. */
type Begin = { readonly offset: number; readonly leaderEpoch: number };

export type Started = Candidate & Begin;

type Deps = {
  readonly consumer: KafkaConsumer;
  readonly context: InputContext;
  readonly config: Pick<KafkaInputConfig, "start" | "onPositionLost">;
};

/**
 * Where each partition is to be read from. A checkpoint and what the group has committed are both
 * true of their topic, so the one that is further counts; whatever is between a stored position and what the
 * partition has is a gap, under the policy of the config. Throws `POSITION_LOST`.
 */
export async function startOffsets(
  candidates: readonly Candidate[],
  deps: Deps,
): Promise<readonly Started[]> {
  const { consumer } = deps;
  const [earliest, latest, written] = await Promise.all([
    offsetsAt(consumer, candidates, "earliest"),
    offsetsAt(consumer, candidates, "latest"),
    offsetsAt(consumer, candidates, "written"),
  ]);
  const fresh = candidates.filter((one) => resumeOf(one) === undefined);
  const begun = await freshOffsets(fresh, deps, earliest, latest);
  const started: Started[] = [];
  for (const candidate of candidates) {
    const name = placeName(candidate);
    const range = rangeIn(name, earliest, latest, written);
    const resume = resumeOf(candidate);
    const begin =
      resume === undefined
        ? { offset: begun.get(name) ?? range.start, leaderEpoch: -1 }
        : await within(candidate, resume, range, deps);
    started.push({ ...candidate, ...begin });
  }
  return started;
}

/**
 * The furthest of what is stored. Where one of them is of another topic that had the name, only what
 * is surely of this one counts: what a group has without an id may be of either.
 */
function resumeOf({ checkpoint, committed, topicId }: Candidate): KafkaPosition | undefined {
  const stored = [checkpoint, committed].filter((one) => one !== null && one !== undefined);
  const other = topicId === "" ? undefined : stored.find((one) => isOther(one, topicId));
  const own = other ? stored.filter((one) => one.topicId === topicId) : stored;
  return own.toSorted((a, b) => b.offset - a.offset)[0] ?? other;
}

const isOther = (one: KafkaPosition, topicId: string): boolean =>
  one.topicId !== undefined && one.topicId !== topicId;

async function offsetsAt(
  consumer: KafkaConsumer,
  partitions: readonly TopicPartition[],
  at: Parameters<KafkaConsumer["offsets"]>[1],
): Promise<ReadonlyMap<string, number>> {
  const found = await consumer.offsets(partitions, at);
  return new Map(found.map((one) => [placeName(one), one.offset]));
}

type Offsets = ReadonlyMap<string, number>;

async function freshOffsets(
  fresh: readonly Candidate[],
  { consumer, config: { start } }: Deps,
  earliest: Offsets,
  latest: Offsets,
): Promise<Offsets> {
  const known = fresh.filter(({ isNew }) => !isNew);
  if (start === "earliest" || known.length === 0) return earliest;
  const named = new Map(
    fresh.filter(({ isNew }) => isNew).map((one) => [placeName(one), earliest]),
  );
  const of = await policyOffsets();
  return new Map(
    fresh.map((one) => {
      const name = placeName(one);
      return [name, (named.get(name) ?? of).get(name) ?? earliest.get(name) ?? 0];
    }),
  );

  async function policyOffsets(): Promise<Offsets> {
    if (start === "latest") return latest;
    if (typeof start === "object" && "timestamp" in start) {
      return offsetsAt(consumer, known, Date.parse(start.timestamp));
    }
    const given = typeof start === "object" ? start.offsets : {};
    return new Map(
      known.flatMap(({ topic, partition }) => {
        const offset = given[topic]?.[partition];
        return offset === undefined ? [] : [[placeName({ topic, partition }), offset] as const];
      }),
    );
  }
}

export type Range = {
  readonly start: number;
  /** As far as it may be read: a transaction that is open ends it. */
  readonly end: number;
  /** As far as it is written. */
  readonly written: number;
};

/** What a partition has now. */
export async function rangeOf(consumer: KafkaConsumer, partition: TopicPartition): Promise<Range> {
  const [start, end, written] = await Promise.all([
    offsetsAt(consumer, [partition], "earliest"),
    offsetsAt(consumer, [partition], "latest"),
    offsetsAt(consumer, [partition], "written"),
  ]);
  return rangeIn(placeName(partition), start, end, written);
}

function rangeIn(name: string, start: Offsets, end: Offsets, written: Offsets): Range {
  const told = (offsets: Offsets) => {
    const offset = offsets.get(name);
    if (offset !== undefined) return offset;
    throw new DbusError("KAFKA_REQUEST_FAILED", `${name}: its offsets were not told`);
  };
  return { start: told(start), end: told(end), written: told(written) };
}

/** Whether it can be read on from there. */
export const isIn = (at: number, { start, written }: Range): boolean =>
  at >= start && at <= written;

/** Where to go on from `at`: there, or, when the partition has it no more, as the policy says. */
async function within(
  candidate: Candidate,
  at: KafkaPosition,
  range: Range,
  deps: Deps,
): Promise<Begin> {
  const recreated =
    at.topicId !== undefined && candidate.topicId !== "" && at.topicId !== candidate.topicId;
  const { offset, leaderEpoch = -1 } = at;
  // Of an end that was lost the leader tells from where on, when it is asked by the epoch.
  const lostEnd = offset > range.written && leaderEpoch >= 0;
  if ((isIn(offset, range) || lostEnd) && !recreated) return { offset, leaderEpoch };
  const why = recreated ? "the topic was made anew" : whyGone(at.offset, range);
  const from = { ...candidate, at: offset, atTopicId: at.topicId ?? "" };
  return { offset: await goOn(from, range, why, deps), leaderEpoch: -1 };
}

export function whyGone(at: number, { start, written }: Range): string {
  return at < start
    ? `the records up to ${start - 1} were deleted`
    : `it ends at ${written}: records that were there are lost`;
}

const jsonOf = (offset: number, topicId: string): Json => ({ ...positionAt(offset, topicId) });

type Lost = TopicPartition & {
  readonly topicId: string;
  readonly at: number;
  readonly atTopicId: string;
};

/** Writes the gap down and answers where reading goes on. Throws `POSITION_LOST` by policy. */
export async function goOn(
  from: Lost,
  { start, end }: Range,
  why: string,
  deps: Pick<Deps, "context" | "config">,
): Promise<number> {
  const offset = deps.config.onPositionLost === "earliest" ? start : end;
  await skip(from, jsonOf(offset, from.topicId), why, deps);
  return offset;
}

/** Reading of it does not go on at all. Throws `POSITION_LOST` by policy. */
export const giveUp = (from: Lost, why: string, deps: Pick<Deps, "context" | "config">) =>
  skip(from, null, why, deps);

async function skip(
  { topic, partition, at, atTopicId }: Lost,
  to: Json,
  why: string,
  { context, config }: Pick<Deps, "context" | "config">,
): Promise<void> {
  const name = placeName({ topic, partition });
  const reason = `offset ${at} of ${name} is gone: ${why}`;
  if (config.onPositionLost === "fail") throw new DbusError("POSITION_LOST", reason);
  await context.gap({ from: jsonOf(at, atTopicId), to, reason }, { partition: name });
}

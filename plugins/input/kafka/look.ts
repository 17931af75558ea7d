import type { InputContext } from "#plugin";
import type { TopicInfo } from "#src/clients/kafka/port.ts";
import type { Topics } from "./discover.ts";
import type { Membership } from "./membership.ts";
import type { Place } from "./place.ts";
import type { Places } from "./places.ts";
import type { Reader } from "./reader.ts";
import { giveUp, goOn, rangeOf } from "./start-offsets.ts";

export type LookDeps = {
  readonly reader: Reader;
  readonly places: Places;
  readonly membership: Membership;
  readonly context: InputContext;
  /** Does what others need not wait for, until it goes right. */
  readonly apart: (work: () => Promise<void>) => void;
};

/** Looks which topics there are: new ones, ones that are gone, and ones that were made anew. */
export async function look(deps: LookDeps): Promise<void> {
  const { reader, places, membership } = deps;
  const topics = await reader.discovery.find();
  if (topics.size === 0) places.nothingYet();
  for (const place of places.all()) {
    const topic = topics.get(place.topic);
    if (!topic) continue;
    place.partitions = topic.partitions;
    if (isAnew(place, topic))
      deps.apart(() => places.restart(place, () => afterAnew(place, topic, deps)));
  }
  await membership.found(topics);
  if (reader.config.topicPattern !== undefined) forgetGone(topics, deps);
}

/** Brokers before 2.8 tell topics apart by nothing. */
const isAnew = ({ topicId }: Place, { id }: TopicInfo): boolean =>
  id !== "" && topicId !== "" && id !== topicId;

/** A topic that was made anew has lost what was to be read next, and maybe the partition too. */
async function afterAnew(place: Place, topic: TopicInfo, { reader, context }: LookDeps) {
  const { topic: name, partition, topicId, next } = place;
  const from = { topic: name, partition, topicId: topic.id, at: next, atTopicId: topicId };
  const deps = { context, config: reader.config };
  if (partition >= topic.partitions) {
    const why = `the topic was made anew with ${topic.partitions} partitions`;
    await giveUp(from, why, deps);
    return undefined;
  }
  const range = await rangeOf(reader.consumer, place);
  return { offset: await goOn(from, range, "the topic was made anew", deps), topicId: topic.id };
}

/**
 * A pattern names no topic, so one that was deleted is nothing to wait for. In a group it is given
 * up by the rebalance that follows. If it was hidden only, it is read on from its checkpoint.
 */
function forgetGone(topics: Topics, { places, context }: LookDeps): void {
  const gone = places.all().filter(({ topic, busy }) => !topics.has(topic) && busy === undefined);
  if (gone.length === 0) return;
  places.drop(gone);
  const names = [...new Set(gone.map(({ topic }) => topic))];
  context.log.warn("topics that matched topicPattern are gone", { topics: names.slice(0, 20) });
}

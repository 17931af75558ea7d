import type { TopicPartition } from "../port.ts";

/*
 * Who reads which partition, as the leader of a group decides it: evenly, and with as few moves as
 * that needs. It is the protocol that the Java client calls cooperative-sticky: a partition that
 * moves is given to nobody in this round, so that its owner gives it up first, joins again, and the
 * next round gives it away (KIP-429).
 */
export const stickyProtocol = "cooperative-sticky";

export type GroupMemberClaim = {
  readonly id: string;
  readonly topics: readonly string[];
  readonly owned: readonly TopicPartition[];
};

type Place = string;

export function assignPartitions(
  members: readonly GroupMemberClaim[],
  partitions: ReadonlyMap<string, number>,
): ReadonlyMap<string, readonly TopicPartition[]> {
  const wanted = new Map(members.map(({ id, topics }) => [id, new Set(topics)]));
  const places = new Map<Place, TopicPartition>();
  for (const topic of [...partitions.keys()].toSorted()) {
    if (!members.some(({ topics }) => topics.includes(topic))) continue;
    const count = partitions.get(topic) ?? 0;
    for (let partition = 0; partition < count; partition++) {
      places.set(`${topic}/${partition}`, { topic, partition });
    }
  }
  const owners = ownersOf(members, places, wanted);
  const plan = new Map<string, Set<Place>>(
    members
      .map(({ id }) => id)
      .toSorted()
      .map((id) => [id, new Set<Place>()]),
  );
  for (const [place, id] of owners) plan.get(id)?.add(place);
  for (const [place, { topic }] of places) {
    if (owners.has(place)) continue;
    leastLoaded(plan, (id) => wanted.get(id)?.has(topic) ?? false)?.add(place);
  }
  balance(plan, places, wanted);
  return new Map(
    [...plan].map(([id, mine]) => {
      const now = [...mine].filter((place) => (owners.get(place) ?? id) === id);
      return [id, now.map((place) => places.get(place) as TopicPartition)];
    }),
  );
}

/** Who owns each partition now. One that two claim has no owner: neither surely holds it. */
function ownersOf(
  members: readonly GroupMemberClaim[],
  places: ReadonlyMap<Place, TopicPartition>,
  wanted: ReadonlyMap<string, ReadonlySet<string>>,
): Map<Place, string> {
  const owners = new Map<Place, string>();
  const disputed = new Set<Place>();
  for (const { id, owned } of members) {
    for (const { topic, partition } of owned) {
      const place = `${topic}/${partition}`;
      if (!places.has(place) || !wanted.get(id)?.has(topic)) continue;
      if (owners.has(place)) disputed.add(place);
      owners.set(place, id);
    }
  }
  for (const place of disputed) owners.delete(place);
  return owners;
}

function leastLoaded(
  plan: ReadonlyMap<string, Set<Place>>,
  may: (id: string) => boolean,
): Set<Place> | undefined {
  let least: Set<Place> | undefined;
  for (const [id, mine] of plan) {
    if (may(id) && (least === undefined || mine.size < least.size)) least = mine;
  }
  return least;
}

/** Moves one at a time from who has more to who has at least two less and reads that topic. */
function balance(
  plan: ReadonlyMap<string, Set<Place>>,
  places: ReadonlyMap<Place, TopicPartition>,
  wanted: ReadonlyMap<string, ReadonlySet<string>>,
): void {
  for (let moves = places.size; moves > 0; moves--) {
    if (!moveOne(plan, places, wanted)) return;
  }
}

function moveOne(
  plan: ReadonlyMap<string, Set<Place>>,
  places: ReadonlyMap<Place, TopicPartition>,
  wanted: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  const byLoad = [...plan].toSorted(([, a], [, b]) => b.size - a.size);
  for (const [, from] of byLoad) {
    for (const [id, to] of byLoad.toReversed()) {
      if (from.size - to.size < 2) break;
      const place = [...from].findLast((one) => wanted.get(id)?.has(places.get(one)?.topic ?? ""));
      if (place === undefined) continue;
      from.delete(place);
      to.add(place);
      return true;
    }
  }
  return false;
}

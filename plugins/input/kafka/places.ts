import { DbusError, type InputContext, sleep } from "#plugin";
import type { CommitOffset, TopicPartition } from "#src/clients/kafka/port.ts";
import type { KafkaPosition } from "./kafka-input-config.ts";
import { positionAt } from "./packets.ts";
import { type Found, type Place, placeName } from "./place.ts";
import type { Reader } from "./reader.ts";
import { startOffsets } from "./start-offsets.ts";

/** Something appeared while we were reading, so all of it is news. */
type Claim = Found & { readonly isNew: boolean };

/** The partitions that are read now, from where they begin to how they are given up. */
export type Places = {
  get(partition: TopicPartition): Place | undefined;
  all(): readonly Place[];
  has(partition: TopicPartition): boolean;
  /** There is nothing to read now: whatever appears is news, and read from its beginning. */
  nothingYet(): void;
  /** These are ours to read from now on; `begin` starts with it. */
  claim(partitions: readonly Found[]): readonly Claim[];
  /**
   * Reads what was claimed, once nothing of it is in flight, from the checkpoint or the start
   * policy. What was given up since it was claimed is left out, also when it was claimed again.
   * Throws while some of it has no leader; the rest is read then.
   */
  begin(claimed: readonly Claim[]): Promise<void>;
  /** Reads it from elsewhere, unless it is given up. */
  jump(place: Place, offset: number): void;
  /**
   * Reads on where `where` says, once nothing of it is in flight: what is settled later would count
   * for the new place otherwise, and be told to the group. Undefined: it is not read any more.
   */
  restart(
    place: Place,
    where: () => Promise<{ readonly offset: number; readonly topicId: string } | undefined>,
  ): Promise<void>;
  /** They are nobody's here any more: nothing of them is committed from now on. */
  drop(partitions: readonly TopicPartition[]): void;
  /** Stops reading them and waits until what is in flight is settled, for so long at most. */
  drain(places: readonly Place[], ms: number): Promise<boolean>;
  /** What of them is settled and the group does not know yet. */
  uncommitted(places: readonly Place[]): readonly CommitOffset[];
};

/** Kafka keeps what is committed by the name of a topic alone, which another may have by now. */
const metadataOf = (clientId: string, topicId: string): string =>
  topicId === "" ? clientId : `${clientId} topicId=${topicId}`;

function positionIn({ offset, leaderEpoch = -1, metadata = "" }: CommitOffset): KafkaPosition {
  return positionAt(offset, / topicId=(\S+)$/.exec(metadata)?.[1] ?? "", leaderEpoch);
}

export function createPlaces(reader: Reader, context: InputContext): Places {
  const { consumer, config } = reader;
  const { clock } = context;
  const places = new Map<string, Place>();
  const wanted = new Map<string, Claim>();
  let claimedBefore = context.known().length > 0;

  const isMoving = (place: Place) => places.get(place.name) === place && place.busy === "moving";
  const isIdle = (place: Place) => places.get(place.name) === place && place.busy === undefined;
  const isWanted = (claimed: Claim | undefined) =>
    claimed !== undefined && wanted.get(placeName(claimed)) === claimed;

  async function begin(claimed: readonly Claim[]): Promise<void> {
    const waiting = claimed.filter((one) => isWanted(one) && !places.has(placeName(one)));
    if (waiting.length === 0) return;
    const there = new Set((await consumer.ends(waiting)).map(placeName));
    const partitions = waiting.filter((one) => there.has(placeName(one)));
    if (partitions.length > 0) await beginAll(partitions);
    const [missing] = waiting.filter((one) => isWanted(one) && !there.has(placeName(one)));
    if (missing === undefined) return;
    const text = `${waiting.length - partitions.length} partitions cannot be asked for their offsets now`;
    throw new DbusError("KAFKA_NOT_LEADER", `${text}, ${placeName(missing)} among them`);
  }

  async function beginAll(partitions: readonly Claim[]): Promise<void> {
    const { groupId } = config;
    const stored = groupId === undefined ? [] : await consumer.committed(groupId);
    const committed = new Map(stored.map((one) => [placeName(one), positionIn(one)]));
    // Packets of an earlier time must not come behind what is read from now on.
    await Promise.all(
      partitions.map((one) => context.drained(Number.POSITIVE_INFINITY, placeName(one))),
    );
    const candidates = partitions.map((one) => ({
      ...one,
      checkpoint: context.resume(placeName(one)) as KafkaPosition | null,
      committed: committed.get(placeName(one)),
      isNew: one.isNew || stored.length > 0,
    }));
    const started = await startOffsets(candidates, { consumer, context, config });
    const claims = new Map(partitions.map((one) => [placeName(one), one]));
    const fresh = started.filter(({ checkpoint }) => checkpoint === null);
    const begins = fresh.map((one) => {
      return [placeName(one), positionAt(one.offset, one.topicId, one.leaderEpoch)];
    });
    if (begins.length > 0) await context.begin(Object.fromEntries(begins));
    for (const one of started) {
      if (!isWanted(claims.get(placeName(one)))) continue;
      place({ ...one, committed: one.committed?.offset ?? -1 });
    }
  }

  function place(
    from: Found & Pick<Place, "committed" | "leaderEpoch"> & { readonly offset: number },
  ) {
    const { topic, partition, partitions, topicId, offset, leaderEpoch, committed } = from;
    const name = placeName(from);
    const fresh = { lastTimestamp: undefined, emitting: undefined, damagedAt: undefined };
    const own = { ...fresh, levelAt: undefined, busy: undefined };
    const range = { start: offset, next: offset, end: offset };
    places.set(name, {
      topic,
      partition,
      partitions,
      topicId,
      name,
      committed,
      leaderEpoch,
      ...range,
      ...own,
    });
    consumer.read([{ topic, partition, offset, leaderEpoch }]);
    context.idle(positionAt(offset, topicId, leaderEpoch), { partition: name });
  }

  function drop(partitions: readonly TopicPartition[]): void {
    consumer.forget(partitions);
    for (const partition of partitions) {
      wanted.delete(placeName(partition));
      places.delete(placeName(partition));
    }
  }

  return {
    get: (partition) => places.get(placeName(partition)),
    all: () => [...places.values()],
    has: (partition) => wanted.has(placeName(partition)),
    nothingYet() {
      claimedBefore = true;
    },
    claim(partitions) {
      const claimed = partitions.map((one) => ({ ...one, isNew: claimedBefore }));
      claimedBefore ||= claimed.length > 0;
      for (const one of claimed) wanted.set(placeName(one), one);
      return claimed;
    },
    begin,
    jump(from, offset) {
      if (!isIdle(from)) return;
      place({ ...from, offset, leaderEpoch: offset === from.next ? from.leaderEpoch : -1 });
      const moved = places.get(from.name);
      if (moved) moved.damagedAt = from.damagedAt;
    },
    async restart(from, where) {
      if (!isIdle(from)) return;
      from.busy = "moving";
      consumer.forget([from]);
      try {
        await from.emitting;
        await context.drained(Number.POSITIVE_INFINITY, from.name);
        const to = await where();
        if (!isMoving(from)) return;
        if (to) place({ ...from, ...to, leaderEpoch: -1, committed: -1 });
        else drop([from]);
      } finally {
        if (isMoving(from)) from.busy = undefined;
      }
    },
    drop,
    async drain(draining, ms) {
      consumer.forget(draining);
      for (const place of draining) place.busy = "leaving";
      const deadline = clock.now() + ms;
      const handed = Promise.all(draining.map(({ emitting }) => emitting));
      const late = new AbortController();
      await Promise.race([handed, sleep(clock, ms, late.signal)]);
      late.abort();
      const left = () => Math.max(0, deadline - clock.now());
      const ended = draining.map(({ name }) => context.drained(left(), name));
      return (await Promise.all(ended)).every((drained) => drained);
    },
    uncommitted(of) {
      return of.flatMap((one) => {
        const settled = context.settled(one.name) as KafkaPosition | null;
        // A mark of an earlier time lies behind where another member has gone on.
        if (settled === null || settled.offset < one.start) return [];
        // Nor is one of another topic that had the same name.
        if ((settled.topicId ?? one.topicId) !== one.topicId) return [];
        if (settled.offset <= one.committed) return [];
        const { topic, partition } = one;
        const { offset, leaderEpoch } = settled;
        const metadata = metadataOf(config.clientId, one.topicId);
        return [{ topic, partition, offset, leaderEpoch, metadata }];
      });
    },
  };
}

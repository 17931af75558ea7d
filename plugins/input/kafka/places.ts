import { type InputContext, sleep } from "#plugin";
import type { CommitOffset, TopicPartition } from "#src/clients/kafka/port.ts";
import type { KafkaPosition } from "./kafka-input-config.ts";
import { positionAt } from "./packets.ts";
import { type Place, placeName } from "./place.ts";
import type { Reader } from "./reader.ts";
import { startOffsets } from "./start-offsets.ts";

/** A partition that is there, of a topic of that id and so many partitions. */
export type Found = TopicPartition & { readonly topicId: string; readonly partitions: number };

/** The partitions that are read now, from where they begin to how they are given up. */
export type Places = {
  get(partition: TopicPartition): Place | undefined;
  all(): readonly Place[];
  has(partition: TopicPartition): boolean;
  /**
   * Reads these too, once nothing of them is in flight, from the checkpoint or the start policy.
   * Those that were given up meanwhile are left out.
   */
  begin(partitions: readonly Found[]): Promise<void>;
  /** Reads them from elsewhere. */
  jump(place: Place, offset: number, topicId?: string): void;
  /** They are nobody's here any more: nothing of them is committed from now on. */
  drop(partitions: readonly TopicPartition[]): void;
  /** Stops reading them and waits until what is in flight is settled, for so long at most. */
  drain(places: readonly Place[], ms: number): Promise<boolean>;
  /** What of them is settled and the group does not know yet. */
  uncommitted(places: readonly Place[]): readonly CommitOffset[];
};

export function createPlaces(reader: Reader, context: InputContext): Places {
  const { consumer, config } = reader;
  const { clock } = context;
  const places = new Map<string, Place>();
  const wanted = new Set<string>();
  let begun = context.known().length > 0;

  async function begin(partitions: readonly Found[]): Promise<void> {
    for (const partition of partitions) wanted.add(placeName(partition));
    const { groupId } = config;
    const stored = groupId === undefined ? [] : await consumer.committed(groupId);
    const committed = new Map(stored.map((one) => [placeName(one), one.offset]));
    // Packets of an earlier time must not come behind what is read from now on.
    await Promise.all(
      partitions.map((one) => context.drained(Number.POSITIVE_INFINITY, placeName(one))),
    );
    const isNew = begun || stored.length > 0;
    const candidates = partitions.map((one) => ({
      ...one,
      checkpoint: context.resume(placeName(one)) as KafkaPosition | null,
      committed: committed.get(placeName(one)),
      isNew,
    }));
    const started = await startOffsets(candidates, { consumer, context, config });
    for (const one of started) {
      if (wanted.has(placeName(one))) place({ ...one, committed: one.committed ?? -1 });
    }
    begun = true;
  }

  function place(from: Found & Pick<Place, "committed"> & { readonly offset: number }) {
    const { topic, partition, partitions, topicId, offset, committed } = from;
    const name = placeName(from);
    const fresh = { lastTimestamp: undefined, emitting: undefined, damagedAt: undefined };
    const range = { start: offset, next: offset, end: offset };
    places.set(name, {
      topic,
      partition,
      partitions,
      topicId,
      name,
      committed,
      ...range,
      ...fresh,
    });
    consumer.read([{ topic, partition, offset }]);
    // Where it began is known from now on: it must not begin elsewhere after a restart.
    context.idle(positionAt(offset, topicId), { partition: name });
  }

  return {
    get: (partition) => places.get(placeName(partition)),
    all: () => [...places.values()],
    has: (partition) => wanted.has(placeName(partition)),
    begin,
    jump(from, offset, topicId = from.topicId) {
      place({ ...from, topicId, offset });
      const moved = places.get(from.name);
      if (moved) moved.damagedAt = from.damagedAt;
    },
    drop(partitions) {
      consumer.forget(partitions);
      for (const partition of partitions) {
        wanted.delete(placeName(partition));
        places.delete(placeName(partition));
      }
    },
    async drain(draining, ms) {
      consumer.forget(draining);
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
        if (settled.offset <= one.committed) return [];
        const { topic, partition } = one;
        return [{ topic, partition, offset: settled.offset, metadata: config.clientId }];
      });
    },
  };
}

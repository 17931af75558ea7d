import { DbusError, type InputContext, type Packet } from "#plugin";
import type { Polled } from "#src/clients/kafka/port.ts";
import { type PacketMaker, positionAt } from "./packets.ts";
import type { Place } from "./place.ts";
import type { Places } from "./places.ts";
import type { Reader } from "./reader.ts";
import { goOn, isIn, rangeOf, whyGone } from "./start-offsets.ts";

export type HandleDeps = {
  readonly reader: Reader;
  readonly places: Places;
  readonly make: PacketMaker;
  readonly context: InputContext;
  /** Does what others need not wait for, until it goes right. */
  readonly apart: (work: () => Promise<void>) => void;
};

/** Hands over what was polled, or does what the config says about what stands against it. */
export async function handle(polled: Polled, deps: HandleDeps): Promise<void> {
  const place = deps.places.get(polled);
  // Given up while it was polled.
  if (!place) return;
  if (polled.error) return refused(place, polled, deps);
  const { records, next, end, leaderEpoch } = polled;
  const { context, make } = deps;
  const partition = place.name;
  const packets: Packet[] = [];
  place.leaderEpoch = leaderEpoch;
  for (const record of records) {
    const { packet, error } = make(record, place);
    if (error === undefined || passes(error, packet, deps, partition)) packets.push(packet);
    else if (deps.reader.config.onInvalid === "fail") {
      await emit(place, packets, context);
      throw error;
    }
  }
  place.end = Math.max(end, next);
  const last = records.at(-1);
  if (last && last.timestamp >= 0) place.lastTimestamp = last.timestamp;
  const behind = packets.at(-1)?.position;
  await emit(place, packets, context);
  place.next = next;
  if ((behind as { offset: number } | undefined)?.offset !== next) {
    context.idle(positionAt(next, place.topicId, leaderEpoch), { partition });
  }
}

async function emit(place: Place, packets: Packet[], context: InputContext): Promise<void> {
  const waiting = context.emitBatch(packets, { partition: place.name });
  if (!waiting) return;
  place.emitting = waiting.catch(() => {});
  await waiting;
  place.emitting = undefined;
}

/** Whether a packet that is not of the format is passed on; else it is kept, if the config says so. */
function passes(
  error: DbusError,
  packet: Packet,
  { reader, context }: HandleDeps,
  partition: string,
): boolean {
  const { onInvalid } = reader.config;
  if (onInvalid === "deadletter") context.deadLetter(packet, error, { partition });
  return onInvalid === "bytes";
}

type Refused = Extract<Polled, { readonly error: DbusError }>;

async function refused(place: Place, polled: Refused, deps: HandleDeps): Promise<void> {
  const { error } = polled;
  switch (error.code) {
    case "KAFKA_OFFSET_OUT_OF_RANGE":
      return lost(place, polled, deps);
    case "KAFKA_RECORD_CORRUPT":
    case "KAFKA_UNSUPPORTED":
      return damaged(place, polled, deps);
    default:
      // It is tried again by itself, and read as soon as it can be.
      deps.context.log.warn(`${place.name} cannot be read: ${error.message}`, {
        code: error.code,
        remedy: error.remedy,
      });
  }
}

/** Reading goes on from an offset that there is; the other partitions are read meanwhile. */
function lost(
  place: Place,
  { at, truncated }: Refused,
  { reader, places, context, apart }: HandleDeps,
): void {
  const { consumer, config } = reader;
  const { topic, partition, topicId } = place;
  const around = { context, config };
  apart(() =>
    places.restart(place, async () => {
      const range = await rangeOf(consumer, place);
      const from = { topic, partition, topicId, at, atTopicId: topicId };
      if (truncated !== undefined) {
        const start = Math.max(range.start, truncated);
        const why = `its leader was lost with the records from ${truncated} on, and others stand there`;
        return { offset: await goOn(from, { ...range, start }, why, around), topicId };
      }
      if (isIn(at, range)) return { offset: at, topicId };
      const offset = await goOn(from, range, whyGone(at, range), around);
      return { offset, topicId };
    }),
  );
}

/** A batch that is damaged is fetched once more: it may have happened on the way. */
async function damaged(
  place: Place,
  { error, at, behind }: Refused,
  { reader, places, context }: HandleDeps,
): Promise<void> {
  if (place.damagedAt !== at && error.code === "KAFKA_RECORD_CORRUPT") {
    place.damagedAt = at;
    context.log.warn("a batch came damaged; it is fetched once more", {
      partition: place.name,
      offset: at,
      why: error.message,
    });
    return places.jump(place, at);
  }
  const where = `${place.name} at offset ${at}: ${error.message}`;
  if (reader.config.onCorrupt === "fail" || behind === undefined || behind <= at) {
    throw new DbusError(error.code, where, { cause: error });
  }
  const { topic, partition } = place;
  const record = { key: null, headers: [], timestamp: undefined, partition, offset: at };
  const payload = { kind: "bytes", value: null, ...record } as const;
  const position = positionAt(behind, place.topicId);
  const text = `${where}; offsets ${at} to ${behind - 1} were passed over`;
  const pointer = { ident: topic, payload, position, bytes: 1 };
  context.deadLetter(pointer, new DbusError(error.code, text), { partition: place.name });
  places.jump(place, behind);
}

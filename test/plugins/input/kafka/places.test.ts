import { describe, expect, test } from "bun:test";
import { handle } from "#plugins/input/kafka/handle.ts";
import { kafkaInputSchema } from "#plugins/input/kafka/kafka-input-config.ts";
import { packetMaker } from "#plugins/input/kafka/packets.ts";
import { createPlaces } from "#plugins/input/kafka/places.ts";
import type { Reader } from "#plugins/input/kafka/reader.ts";
import { DbusError } from "#src/errors.ts";
import { codeOf } from "../../../support/code-of.ts";
import { fakeInputContext } from "../../../support/fake-context.ts";
import { holdsFor, waitFor } from "../../../support/index.ts";

const found = { topic: "t", partition: 0, topicId: "first", partitions: 1 };

/** Places over a broker that says what `ends` says, and a ledger that a test can hold up. */
function placesOver(
  ends: (partition: number) => number | undefined = () => 100,
  onPositionLost = "fail",
) {
  const fake = fakeInputContext();
  const reading = new Map<string, number>();
  const name = (one: { topic: string; partition: number }) => `${one.topic}/${one.partition}`;
  const consumer: Partial<Reader["consumer"]> = {
    read: (some) => some.forEach((one) => void reading.set(name(one), one.offset)),
    forget: (some) => some.forEach((one) => void reading.delete(name(one))),
    committed: async () => [],
    ends: async (some) =>
      some.flatMap((one) => {
        const offset = ends(one.partition);
        return offset === undefined ? [] : [{ ...one, offset }];
      }),
    offsets: async (some, at) =>
      some.map((one) => ({ ...one, offset: at === "earliest" ? 0 : ends(one.partition)! })),
  };
  const common = { brokers: ["b:1"], topics: ["t"], groupId: "g" };
  const config = kafkaInputSchema.parse({ ...common, onPositionLost });
  const reader = { consumer, config } as unknown as Reader;
  let settle = () => {};
  let inFlight: Promise<boolean> = Promise.resolve(true);
  const context = { ...fake.context, drained: () => inFlight };
  const hold = () => {
    inFlight = new Promise((resolve) => {
      settle = () => resolve(true);
    });
  };
  const places = createPlaces(reader, context);
  const { gaps } = fake;
  return { places, reading, context, hold, settle: () => settle(), reader, fake, gaps };
}

const mark = (offset: number, topicId: string) => ({ offset, topicId });

describe("partitions that are read", () => {
  test("one that was lost while it was tried to begin is not begun by a later try", async () => {
    let end: number | undefined;
    const { places, reading } = placesOver(() => end);
    const claimed = places.claim([found]);
    expect(await codeOf(places.begin(claimed))).toBe("KAFKA_NOT_LEADER");
    places.drop([found]);
    end = 100;
    await places.begin(claimed);
    expect([reading.size, places.all().length]).toEqual([0, 0]);
    // It is ours again later: that is another claim.
    await places.begin(places.claim([found]));
    expect(reading).toEqual(new Map([["t/0", 0]]));
  });

  test("where one begins is stored before it is read, and one that has a checkpoint goes on", async () => {
    const { reader, fake, reading } = placesOver();
    const begun = Promise.withResolvers<void>();
    const stored: unknown[] = [];
    const begin = (positions: unknown) => {
      stored.push(positions);
      return begun.promise;
    };
    const places = createPlaces(reader, { ...fake.context, begin });
    const beginning = places.begin(places.claim([found]));
    await waitFor(() => stored.length > 0, { what: "its beginning" });
    await holdsFor(() => reading.size === 0, { ms: 20, what: "nothing to be read" });
    begun.resolve();
    await beginning;
    expect([stored, [...reading]]).toEqual([[{ "t/0": mark(0, "first") }], [["t/0", 0]]]);
    const resume = () => mark(50, "first");
    const goOn = createPlaces(reader, { ...fake.context, begin, resume });
    await goOn.begin(goOn.claim([found]));
    expect([stored.length, [...reading]]).toEqual([1, [["t/0", 50]]]);
  });

  test("one that is given up stays so, whoever wanted to read it from elsewhere", async () => {
    const { places, reading, hold, settle } = placesOver();
    await places.begin(places.claim([found]));
    const place = places.get(found)!;
    hold();
    const drained = places.drain([place], 60_000);
    places.jump(place, 50);
    await places.restart(place, async () => mark(50, "first"));
    expect(reading.size).toBe(0);
    settle();
    expect(await drained).toBe(true);
    places.drop([found]);
    places.jump(place, 50);
    expect([reading.size, places.has(found)]).toEqual([0, false]);
  });

  test("one that is given up while it waits to be read from elsewhere is not read", async () => {
    const { places, reading, hold, settle } = placesOver();
    await places.begin(places.claim([found]));
    const place = places.get(found)!;
    hold();
    const restarted = places.restart(place, async () => mark(50, "first"));
    const drained = places.drain([place], 60_000);
    settle();
    await Promise.all([restarted, drained]);
    expect(reading.size).toBe(0);
  });

  test("one without a leader keeps no other one waiting", async () => {
    let end: number | undefined;
    const { places, reading } = placesOver((partition) => (partition === 0 ? end : 100));
    const claimed = places.claim([found, { ...found, partition: 1 }]);
    expect(await codeOf(places.begin(claimed))).toBe("KAFKA_NOT_LEADER");
    expect([...reading.keys()]).toEqual(["t/1"]);
    const begun = places.get({ topic: "t", partition: 1 });
    end = 100;
    await places.begin(claimed);
    expect([...reading.keys()]).toEqual(["t/1", "t/0"]);
    expect(places.get({ topic: "t", partition: 1 })).toBe(begun!);
  });
});

describe("what a group is told", () => {
  test("is nothing that was settled of another topic of that name", async () => {
    const { places, context } = placesOver();
    await places.begin(places.claim([{ ...found, topicId: "second" }]));
    context.idle(mark(70, "first"), { partition: "t/0" });
    expect(places.uncommitted(places.all())).toEqual([]);
    context.idle(mark(3, "second"), { partition: "t/0" });
    const metadata = "dbus topicId=second";
    expect(places.uncommitted(places.all())).toMatchObject([{ offset: 3, metadata }]);
  });

  test("is where reading goes on when records are lost, also if that is further back", async () => {
    const { places, reading, context, hold, settle } = placesOver();
    await places.begin(places.claim([found]));
    const place = places.get(found)!;
    context.idle(mark(90, "first"), { partition: "t/0" });
    place.committed = 90;
    hold();
    const restarted = places.restart(place, async () => mark(40, "first"));
    await holdsFor(() => reading.size === 0, { ms: 30, what: "to wait for what is in flight" });
    // What is settled now is of before.
    context.idle(mark(95, "first"), { partition: "t/0" });
    settle();
    await restarted;
    expect(places.uncommitted(places.all())).toMatchObject([{ topic: "t", offset: 40 }]);
  });
});

describe("records that a new leader has not", () => {
  async function after(onPositionLost: string) {
    const deps = placesOver(() => 30, onPositionLost);
    await deps.places.begin(deps.places.claim([found]));
    const works: Promise<unknown>[] = [];
    const polled = { topic: "t", partition: 0, at: 15, truncated: 10 };
    const error = new DbusError("KAFKA_OFFSET_OUT_OF_RANGE", "the new leader has others");
    const apart = (work: () => Promise<void>) => void works.push(codeOf(work()));
    await handle({ ...polled, error }, { ...deps, make: packetMaker("bytes"), apart });
    return { codes: await Promise.all(works), reading: deps.reading.get("t/0"), gaps: deps.gaps };
  }

  test("are a gap, and those that stand in their place are read, or the input stops", async () => {
    const { reading, gaps } = await after("earliest");
    expect(reading).toBe(10);
    expect(gaps).toMatchObject([{ from: { offset: 15 }, to: { offset: 10 } }]);
    expect(gaps[0]?.reason).toContain("its leader was lost with the records from 10 on");
    expect((await after("latest")).reading).toBe(30);
    expect((await after("fail")).codes).toEqual(["POSITION_LOST"]);
  });
});

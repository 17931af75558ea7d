import { expect, test } from "bun:test";
import { kafkaInputSchema } from "#plugins/input/kafka/kafka-input-config.ts";
import { createMembership } from "#plugins/input/kafka/membership.ts";
import { createPlaces } from "#plugins/input/kafka/places.ts";
import type { Reader } from "#plugins/input/kafka/reader.ts";
import type { KafkaConsumer } from "#src/clients/kafka/port.ts";
import { DbusError, type ErrorCode } from "#src/errors.ts";
import { fakeInputContext } from "../../../support/fake-context.ts";
import { createManualClock } from "../../../support/manual-clock.ts";
import { recordedLog } from "../../../support/recorded-log.ts";

/** A membership over a broker that answers commits as told, with a record settled before each. */
async function tells(of: object, code: ErrorCode) {
  const clock = createManualClock();
  const { log, entries } = recordedLog();
  const { context } = fakeInputContext({ clock, log });
  let away = false;
  const commit = async () => {
    if (away) throw new DbusError(code, "no");
  };
  const consumer: Partial<KafkaConsumer> = {
    ...{ commit, committed: async () => [], read() {}, forget() {} },
    ends: async (some) => some.map((one) => ({ ...one, offset: 0 })),
    offsets: async (some) => some.map((one) => ({ ...one, offset: 0 })),
    member: () => ({ commit, subscribe() {}, run: async () => {} }),
  };
  const config = kafkaInputSchema.parse({ brokers: ["b:1"], groupId: "g", ...of });
  const reader = { consumer, config } as unknown as Reader;
  const places = createPlaces(reader, context);
  await places.begin(places.claim([{ topic: "t", partition: 0, topicId: "i", partitions: 1 }]));
  const { signal } = new AbortController();
  const fail = (error: unknown) => {
    throw error;
  };
  const membership = createMembership({ reader, places, context, signal, fail });
  let offset = 0;
  return {
    entries,
    setAway: (is: boolean) => {
      away = is;
    },
    async commits(count: number) {
      for (let i = 0; i < count; i++) {
        context.idle({ offset: ++offset }, { partition: "t/0" });
        await membership.commit(places.all());
        clock.advance(2_000);
      }
    },
  };
}

for (const [who, of] of [
  ["a member", { topics: ["t"] }],
  ["one with fixed partitions", { partitions: { t: [0] } }],
] as const) {
  test(`${who} says once a minute that the group is not told, how often, and when it is again`, async () => {
    const { entries, setAway, commits } = await tells(of, "KAFKA_UNREACHABLE");
    await commits(3);
    setAway(true);
    await commits(65);
    setAway(false);
    await commits(3);
    setAway(true);
    await commits(1);
    expect(entries.map(({ level, fields }) => [level, fields.failures])).toEqual([
      ["warn", 1],
      ["warn", 31],
      ["warn", 61],
      ["info", 65],
      ["warn", 1],
    ]);
  });
}

test("one with fixed partitions is told why a group with members takes no commits of it", async () => {
  const { entries, setAway, commits } = await tells({ partitions: { t: [0] } }, "KAFKA_REBALANCED");
  setAway(true);
  await commits(2);
  expect(entries.map(({ fields }) => fields.remedy)).toEqual([
    "a group that has members takes no commits of others: give this input its own",
  ]);
});

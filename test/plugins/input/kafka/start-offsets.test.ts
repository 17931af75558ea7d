import { expect, test } from "bun:test";
import type { KafkaPosition } from "#plugins/input/kafka/kafka-input-config.ts";
import { type Candidate, startOffsets } from "#plugins/input/kafka/start-offsets.ts";
import type { KafkaConsumer } from "#src/clients/kafka/port.ts";
import { fakeInputContext } from "../../../support/fake-context.ts";

/** Where topic "new" of offsets 0 to 1000 is read from, and the gap that is written down. */
async function begin(checkpoint: KafkaPosition | null, committed?: KafkaPosition) {
  const { context, gaps } = fakeInputContext();
  const consumer: Partial<KafkaConsumer> = {
    offsets: async (some, at) =>
      some.map((one) => ({ ...one, offset: at === "earliest" ? 0 : 1_000 })),
  };
  const found = { topic: "t", partition: 0, topicId: "new", partitions: 1, isNew: false };
  const candidate: Candidate = { ...found, checkpoint, committed };
  const config = { start: "earliest", onPositionLost: "earliest" } as const;
  const deps = { consumer: consumer as KafkaConsumer, context, config };
  const [started] = await startOffsets([candidate], deps);
  return [started?.offset, started?.leaderEpoch, ...gaps.map(({ from }) => from)];
}

test("a checkpoint and what the group has are both believed of one topic: the further, with its epoch", async () => {
  const [near, far] = [
    { offset: 5, topicId: "new", leaderEpoch: 1 },
    { offset: 9, topicId: "new", leaderEpoch: 2 },
  ];
  expect(await begin(near, far)).toEqual([9, 2]);
  expect(await begin(far, near)).toEqual([9, 2]);
  // A commit of somebody else, or of long ago, names no topic.
  expect(await begin(near, { offset: 9 })).toEqual([9, -1]);
  expect(await begin({ offset: 5 }, near)).toEqual([5, -1]);
  expect(await begin(null, { offset: 9 })).toEqual([9, -1]);
});

test("an end that was lost is a gap at once where no epoch is known, else its leader is asked first", async () => {
  expect(await begin({ offset: 2_000 })).toEqual([0, -1, { offset: 2_000 }]);
  expect(await begin({ offset: 2_000, leaderEpoch: 3 })).toEqual([2_000, 3]);
});

test("once one is of another topic of the name, only what is surely of this one counts", async () => {
  const old = { offset: 100, topicId: "old", leaderEpoch: 7 };
  const own = { offset: 5, topicId: "new", leaderEpoch: 1 };
  expect(await begin(own, old)).toEqual([5, 1]);
  expect(await begin(old, own)).toEqual([5, 1]);
  for (const [checkpoint, committed] of [
    [old, undefined],
    [null, old],
    [old, { offset: 300 }],
    [{ offset: 300 }, old],
  ] as const) {
    const gap = { offset: 100, topicId: "old" };
    expect(await begin(checkpoint, committed)).toEqual([0, -1, gap]);
  }
});

import { expect, test } from "bun:test";
import type { Packet } from "#src/flow/packet.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { inputOf, probeOutput } from "../support/probe-plugins.ts";
import { inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

type Keyed = readonly [key: string | null, text: string];

function packet([key, text]: Keyed, position: number): Packet {
  const bytes = (one: string) => new TextEncoder().encode(one);
  const payload = {
    kind: "bytes",
    key: key === null ? null : bytes(key),
    value: bytes(text),
    headers: [],
    timestamp: undefined,
  } as const;
  return { ident: "in", payload, position, bytes: 100 };
}

/** Emits what a test asks for; refuses what it names, the first time. */
async function keyedBus(state = memoryState()) {
  const out = probeOutput();
  let emit: (packets: Packet[]) => void = () => {};
  const input = inputOf(async (context) => {
    emit = (packets) => void context.emitBatch(packets);
    await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
  });
  const bus = await start({
    inputs: [inputEntry("in", input)],
    outputs: [outputEntry("out", out.plugin, ["in"])],
    state,
  });
  await waitFor(() => bus.admin.stat().ready, { what: "the bus to be ready" });
  let position = 0;
  const send = async (all: readonly Keyed[], refused: readonly string[] = []) => {
    const before = bus.admin.stat().outputs[0]!;
    out.answers.push((one) => {
      const { value } = one.payload as { value: Uint8Array };
      const failed = refused.includes(new TextDecoder().decode(value));
      return failed ? { failed: new Error("no") } : "done";
    });
    emit(all.map((one) => packet(one, ++position)));
    const dealt = ({ packets, failed }: typeof before) => packets + failed;
    const all_ = dealt(before) + all.length;
    await waitFor(() => dealt(bus.admin.stat().outputs[0]!) === all_, { what: "all of it" });
  };
  const ids = () => state.deadLetters.list().map(({ id }) => id);
  return { bus, send, ids, out, state };
}

test("redrive says nothing of order while only other keys, or older packets, have passed since", async () => {
  const { bus, send, ids, out } = await keyedBus();
  await send(
    [
      ["a", "a1"],
      ["a", "a2"],
      ["b", "b1"],
    ],
    ["a2"],
  );
  await send([
    ["b", "b2"],
    ["c", "c1"],
  ]);
  expect(await bus.admin.redrive(ids())).toEqual({ delivered: 1, failed: 0, outOfOrder: [] });
  expect(out.written.filter((text) => text.startsWith("a"))).toEqual(["a1", "a2"]);
});

test("redrive says that order was lost to a newer packet of the key, in the same batch or later", async () => {
  const { bus, send, ids } = await keyedBus();
  await send(
    [
      ["a", "a1"],
      ["b", "b1"],
      ["a", "a2"],
    ],
    ["a1", "b1"],
  );
  await send([["b", "b2"]]);
  await send([["c", "c1"]], ["c1"]);
  const [a1 = 0, b1 = 0, c1 = 0] = ids();
  expect(await bus.admin.redrive([a1, b1, c1])).toMatchObject({
    delivered: 3,
    outOfOrder: [a1, b1],
  });
});

test("dead letters of one key that go back in their order keep it, the other way round they lose it", async () => {
  const { bus, send, ids } = await keyedBus();
  await send(
    [
      ["a", "a1"],
      ["a", "a2"],
      ["b", "b1"],
      ["b", "b2"],
    ],
    ["a1", "a2", "b1", "b2"],
  );
  const [a1 = 0, a2 = 0, b1 = 0, b2 = 0] = ids();
  expect(await bus.admin.redrive([a2, a1])).toMatchObject({ outOfOrder: [] });
  expect(await bus.admin.redrive([b2])).toMatchObject({ outOfOrder: [] });
  expect(await bus.admin.redrive([b1])).toMatchObject({ outOfOrder: [b1] });
});

test("without a key any newer packet counts, and what an earlier process refused may be overtaken", async () => {
  const { bus, send, ids, state } = await keyedBus();
  await send(
    [
      [null, "x1"],
      ["a", "a1"],
    ],
    ["x1"],
  );
  const [x1 = 0] = ids();
  expect(await bus.admin.redrive([x1])).toMatchObject({ outOfOrder: [x1] });
  await send([["z", "z1"]], ["z1"]);
  const z1 = ids().at(-1) ?? 0;
  await bus.stop();
  const next = await keyedBus(state);
  expect(await next.bus.admin.redrive([z1])).toMatchObject({ delivered: 1, outOfOrder: [z1] });
});

import { describe, expect, test } from "bun:test";
import { mockInput } from "#plugins/input/mock/mock-input.ts";
import { encodePacket } from "#src/deadletter/packet-codec.ts";
import { inputPluginContract, start } from "../../../contract/input-plugin.ts";
import { fakeInputContext } from "../../../support/fake-context.ts";
import { createManualClock } from "../../../support/manual-clock.ts";
import { waitFor } from "../../../support/wait-for.ts";

const parse = (config: object) => mockInput.configSchema.parse(config);

describe("contract", () => inputPluginContract(mockInput, { config: () => ({}) }));
describe("contract with rows at a rate", () =>
  inputPluginContract(mockInput, {
    config: () => ({ payload: "rows", rate: 1000, idents: ["a", "b"] }),
  }));

test("it makes as many as it is told and comes to its end", async () => {
  const bus = fakeInputContext();
  const { ended } = await start(mockInput, parse({ count: 2500, size: 7 }), bus);
  expect(await ended).toBeUndefined();
  expect(bus.packets.map(({ position }) => position)).toEqual(
    Array.from({ length: 2500 }, (_, i) => i + 1),
  );
  expect(bus.packets.every(({ bytes }) => bytes === 7)).toBe(true);
});

test("it goes on behind its position with the very packets it would have made", async () => {
  const config = parse({ count: 100, payload: "rows", idents: ["a", "b", "c"], seed: 7 });
  const whole = fakeInputContext();
  await (await start(mockInput, config, whole)).ended;
  const rest = fakeInputContext({ resume: { "0": 37 } });
  await (await start(mockInput, config, rest)).ended;
  expect(rest.packets.map(encodePacket)).toEqual(whole.packets.slice(37).map(encodePacket));
});

test("another seed makes other rows; an update names the row that was inserted", async () => {
  const rows = async (seed: number) => {
    const bus = fakeInputContext();
    await (await start(mockInput, parse({ count: 20, payload: "rows", seed }), bus)).ended;
    return bus.packets.map(({ payload }) => payload);
  };
  const [one, other] = [await rows(1), await rows(2)];
  expect(one).not.toEqual(other);
  const inserted = one.find((row) => row.kind === "row" && row.op === "I");
  const updated = one.find((row) => row.kind === "row" && row.op === "U");
  expect(updated).toMatchObject({ before: (inserted as { after: unknown }).after });
});

test("it keeps to its rate by the clock", async () => {
  const clock = createManualClock();
  const bus = fakeInputContext({ clock });
  const { stop } = await start(mockInput, parse({ rate: 100 }), bus);
  for (let second = 1; second <= 3; second++) {
    const end = second * 1000;
    while (clock.now() < end) {
      clock.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(Math.abs(bus.packets.length - second * 100)).toBeLessThanOrEqual(2);
  }
  await stop();
});

test("as fast as it goes, it still lets timers and sockets have their turn", async () => {
  const bus = fakeInputContext();
  let emitted = 0;
  const context = {
    ...bus.context,
    emitBatch(packets: readonly unknown[]) {
      emitted += packets.length;
      return undefined;
    },
  };
  let turns = 0;
  const turn = () => {
    turns++;
    if (turns < 20) setImmediate(turn);
    else bus.abort();
  };
  setImmediate(turn);
  await mockInput.run(await mockInput.open(context, parse({ batch: 1 })), context);
  expect(turns).toBe(20);
  expect(emitted).toBeGreaterThan(1000);
});

test("without credit it makes not one packet more", async () => {
  const bus = fakeInputContext({ credit: 10 });
  const { stop } = await start(mockInput, parse({ batch: 5 }), bus);
  await waitFor(() => bus.packets.length >= 10, { what: "ten packets" });
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
  expect(bus.packets).toHaveLength(10);
  bus.grant(5);
  await waitFor(() => bus.packets.length === 15, { what: "five more" });
  await stop();
});

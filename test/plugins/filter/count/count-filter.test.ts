import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { countFilter } from "#plugins/filter/count/count-filter.ts";
import { defineOutput } from "#src/plugin/define.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { fakeFilterContext } from "../../../support/fake-context.ts";
import {
  changeOf,
  documentOf,
  readRecordOf,
  recordOf,
  tableOf,
  textOf,
} from "../../../support/field-packets.ts";
import { inputOf } from "../../../support/probe-plugins.ts";
import { packetsOf, runFilter } from "../../../support/run-filter.ts";
import { filterEntry, inputEntry, outputEntry } from "../../../support/test-bus.ts";
import { testBuses } from "../../../support/test-buses.ts";
import { waitFor } from "../../../support/wait-for.ts";

const start = testBuses();
const table = tableOf("shop.orders", "id bigint!");
const row = (id: bigint, ts: number) => changeOf(table, { after: [id] }, { ts });
const by = { table: "db + '.' + table", id: "row.id" };

describe("contract", () =>
  filterPluginContract(countFilter, { config: { by }, packets: [row(1n, 60)] }));

type Count = { readonly window: string; readonly count: number; readonly [field: string]: unknown };

/** What a filter makes of packets that it gathers, as parsed documents. */
async function gathered(config: object, packets: Parameters<typeof runFilter>[2]) {
  const { context } = fakeFilterContext();
  const parsed = countFilter.configSchema.parse(config);
  const state = await countFilter.open(context, parsed);
  const { gather } = countFilter;
  if (!gather) throw new Error("it gathers");
  const all = gather.begin(state);
  for (const packet of packets) gather.add(all, packet, state);
  const [first] = packets;
  const made = first ? packetsOf(gather.end(all, first, state)) : [];
  return made.map(({ payload }) => {
    if (payload.kind !== "document") throw new Error("it gives documents");
    return JSON.parse(payload.json) as Count;
  });
}

test("it counts by window and key, by the time at the source", async () => {
  const rows = [row(1n, 59), row(1n, 60), row(2n, 61), row(1n, 119), row(1n, 59)];
  expect(await gathered({ by }, rows)).toEqual([
    { window: "1970-01-01T00:00:00.000Z", table: "shop.orders", id: 1, count: 2, bytes: 200 },
    { window: "1970-01-01T00:01:00.000Z", table: "shop.orders", id: 1, count: 2, bytes: 200 },
    { window: "1970-01-01T00:01:00.000Z", table: "shop.orders", id: 2, count: 1, bytes: 100 },
  ]);
});

test("a key of 64 bits keeps its digits, and texts are never taken for numbers", async () => {
  const big = [row(18446744073709551615n, 0)];
  const [one] = await runFilter(countFilter, { by: { id: "row.id" } }, big);
  expect(JSON.stringify(one)).toContain("18446744073709551615");
  const mixed = [documentOf('{"k":"1"}'), documentOf('{"k":1}'), documentOf('{"k":1}')];
  const config = { by: { k: "row.k" }, time: "arrival", windowMs: 86_400_000 };
  expect((await gathered(config, mixed)).map(({ k, count }) => [k, count])).toEqual([
    ["1", 1],
    [1, 2],
  ]);
});

test("an expression may say when a packet was, and what says nothing fails the packet", async () => {
  const documents = [documentOf('{"ts":61}'), documentOf('{"ts":119}'), documentOf('{"ts":120}')];
  const counts = await gathered({ at: "row.ts" }, documents);
  expect(counts.map(({ window, count }) => [window.slice(11, 16), count])).toEqual([
    ["00:01", 2],
    ["00:02", 1],
  ]);
  const odd = [documentOf('{"ts":"x"}'), documentOf('{"ts":null}'), documentOf("{}")];
  expect(await runFilter(countFilter, { at: "row.ts" }, odd.slice(0, 1))).toEqual([
    "EXPRESSION_FAILED",
  ]);
  expect(await runFilter(countFilter, { at: "row.ts" }, odd.slice(2))).toEqual([
    "EXPRESSION_FAILED",
  ]);
});

test("what is no time fails its packet, and not those that are counted with it", async () => {
  const odd = ['{"ts":null}', '{"ts":true}', '{"ts":1e18}', '{"ts":-1e300}', '{"ts":{}}'];
  for (const json of odd) {
    expect([json, await runFilter(countFilter, { at: "row.ts" }, [documentOf(json)])]).toEqual([
      json,
      ["EXPRESSION_FAILED"],
    ]);
  }
  const far = { ...readRecordOf("{}"), payload: { kind: "document", json: "{}" } } as const;
  const record = { key: null, headers: [], timestamp: Number.MAX_SAFE_INTEGER };
  const packet = { ...far, payload: { ...far.payload, record } };
  expect(await runFilter(countFilter, {}, [packet])).toEqual(["FILTER_FAILED"]);
  const asKey = countFilter.configSchema.parse({ time: "arrival", by: { at: "ts" } });
  const state = await countFilter.open(fakeFilterContext().context, asKey);
  const all = countFilter.gather?.begin(state);
  expect(() => countFilter.gather?.add(all, packet, state)).toThrow("Invalid");
});

test("a JSON record counts when it was written", async () => {
  const counts = await gathered({ windowMs: 1_000 }, [readRecordOf("{}")]);
  expect(counts.map(({ window }) => window)).toEqual(["1970-01-01T00:00:01.000Z"]);
});

test("keys of any type are told apart, and written with all their digits", async () => {
  const by = { k: "[row.id, uint(row.id), duration('5s')]" };
  const counts = await gathered({ by, windowMs: 86_400_000 }, [
    row(9007199254740993n, 0),
    row(9007199254740995n, 0),
  ]);
  expect(counts.map(({ count }) => count)).toEqual([1, 1]);
  const [one] = await runFilter(countFilter, { by }, [row(9007199254740993n, 0)]);
  expect(JSON.stringify(one)).toContain('[9007199254740993,9007199254740993,\\"5s\\"]');
});

test("a key that is called as a field of its own is refused", () => {
  for (const name of ["window", "count", "bytes"]) {
    expect(countFilter.configSchema.safeParse({ by: { [name]: "1" } }).success).toBe(false);
  }
});

test("without keys it counts everything, and what has no time counts when it came", async () => {
  const config = { windowMs: 86_400_000 };
  const counts = await gathered(config, [textOf("a"), textOf("b"), recordOf("{}")]);
  expect(counts.map(({ count }) => count)).toEqual([2, 1]);
  expect(counts[1]?.window).toBe("1970-01-01T00:00:00.000Z");
});

/** Packets numbered from 1, of which every tenth has no number. */
const numbers = (count: number) =>
  inputOf(async (context) => {
    for (let at = Number(context.resume() ?? 0) + 1; at <= count; at++) {
      const json = at % 10 === 0 ? "{}" : `{"n":${at % 3}}`;
      const payload = { kind: "document", json } as const;
      await context.emit({ ident: "in", payload, position: at, bytes: 20 });
    }
  });

/** A sink for documents, and what it has got. */
function countSink() {
  const documents: Count[] = [];
  let gate: PromiseWithResolvers<void> | undefined;
  const plugin = defineOutput<unknown, null>({
    name: "CountSink",
    summary: "keeps documents",
    configSchema: z.unknown(),
    open: () => null,
    async write(_, packets) {
      await gate?.promise;
      for (const { payload } of packets) {
        if (payload.kind === "document") documents.push(JSON.parse(payload.json));
      }
      return undefined;
    },
  });
  const close = () => {
    gate = Promise.withResolvers();
  };
  return { plugin, documents, close, open: () => gate?.resolve() };
}

const sumOf = ({ documents }: { readonly documents: readonly Count[] }) =>
  documents.reduce((sum, { count }) => sum + count, 0);

function countingBus(count: number, out: ReturnType<typeof countSink>) {
  const config = countFilter.configSchema.parse({
    by: { n: "row.n" },
    time: "arrival",
    flushMs: 20,
  });
  return {
    inputs: [inputEntry("in", numbers(count))],
    filters: [filterEntry("count", countFilter, ["in"], { config })],
    outputs: [outputEntry("out", out.plugin, ["count"])],
    bus: { window: { packets: 64, bytes: 1 << 20 } },
  };
}

test("the counts add up on a bus, and what cannot be counted is in the dead letters", async () => {
  const out = countSink();
  const sum = () => sumOf(out);
  const bus = await start(countingBus(500, out));
  await waitFor(() => sum() === 450, { what: "the counts of all" });
  await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 0, { what: "the end" });
  expect(bus.state.deadLetters.count()).toBe(50);
  // Parts of many packets, however full the window is: 32 of them are half of what may be in flight.
  expect(out.documents.length).toBeLessThan(150);
  expect(bus.admin.stat().filters[0]).toMatchObject({ packets: 500, failed: 50 });
});

test("no packet is settled before its count is: a stop in between costs none", async () => {
  const state = memoryState();
  const out = countSink();
  out.close();
  const first = await start({ ...countingBus(500, out), state });
  await waitFor(() => (first.admin.stat().inputs[0]?.inFlight ?? 0) >= 64, { what: "the window" });
  expect(await state.checkpoints.list({ input: "in", resource: "in" })).toEqual([]);
  await first.stop();
  out.open();
  const second = countSink();
  const bus = await start({ ...countingBus(500, second), state });
  await waitFor(() => bus.admin.stat().inputs[0]?.state === "finished", { what: "the end" });
  await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 0, { what: "its settling" });
  expect(sumOf(second)).toBeGreaterThanOrEqual(450);
});

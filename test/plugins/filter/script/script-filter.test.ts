import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { scriptFilter } from "#plugins/filter/script/script-filter.ts";
import type { Packet } from "#src/flow/packet.ts";
import { createFormat } from "#src/format/format.ts";
import { loadModule } from "#src/plugin/registry.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { fakeFilterContext } from "../../../support/fake-context.ts";
import { changeOf, documentOf, recordOf, tableOf, textOf } from "../../../support/field-packets.ts";
import { counterInput, probeOutput } from "../../../support/probe-plugins.ts";
import { packetsOf, shown } from "../../../support/run-filter.ts";
import { samplePackets } from "../../../support/sample-packets.ts";
import { filterEntry, inputEntry, outputEntry } from "../../../support/test-bus.ts";
import { testBuses } from "../../../support/test-buses.ts";
import { waitFor } from "../../../support/wait-for.ts";

const start = testBuses();
const configFile = join(import.meta.dir, "fixtures", "config.yaml");
const table = tableOf("shop.orders", "id bigint!", "note text", "big text");
const row = changeOf(table, { after: [18446744073709551615n, "hi", undefined] });

describe("contract", () => {
  const config = { file: "./test/plugins/filter/script/fixtures/scripts.ts", function: "echo" };
  filterPluginContract(scriptFilter, { config, packets: [row, documentOf("{}"), textOf("x")] });
});

async function run(name: string, packets: readonly Packet[], more: object = {}) {
  const { context } = fakeFilterContext({ ident: "own", configFile });
  const given = { file: "./scripts.ts", function: name, ...more };
  const state = await scriptFilter.open(context, scriptFilter.configSchema.parse(given));
  const results = packets.map(async (packet) => {
    try {
      return packetsOf(await scriptFilter.apply(state, packet, context));
    } catch (error) {
      return String((error as { code?: string }).code ?? error);
    }
  });
  return Promise.all(results);
}

test("a row is an object of its columns, which the function may change", async () => {
  const [rows = []] = await run("filter", [row]);
  const id = 18446744073709551615n;
  expect(shown(rows)).toEqual([{ id, note: `hi at ${id}`, big: undefined }]);
  expect((rows as Packet[])[0]).toMatchObject({ ident: "own", position: row.position });
  expect(await run("filter", [changeOf(table, { after: [1n, "drop", "x"] })])).toEqual([[]]);
  // The packet that it was given is as it was.
  expect(row.payload.after).toEqual([18446744073709551615n, "hi", undefined]);
});

test("columns may come and go, and the key stays the key", async () => {
  const [rows = []] = await run("columns", [changeOf(table, { after: [5n, "hi", "x"] })]);
  if (typeof rows === "string") throw new Error(rows);
  const { payload } = rows[0] as typeof row;
  expect(payload.table.columns.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    "id bigint",
    "big text",
    "length int",
    "tags json",
  ]);
  expect(payload.after?.slice(0, 3)).toEqual([5n, "x", 2]);
  expect(payload.table.primaryKey).toEqual([0]);
  expect(await run("withoutKey", [changeOf(table, { after: [5n, "hi", "x"] })])).toEqual([
    "FILTER_FAILED",
  ]);
});

test("a value of a column is one that outputs can write, or fails the packet", async () => {
  const gives = async (note: string) => {
    const [became = []] = await run("given", [changeOf(table, { after: [1n, note, "x"] })]);
    if (typeof became === "string") return became;
    const { payload } = became[0] as typeof row;
    const [, , big, more] = payload.after ?? [];
    expect(big).toEqual(more);
    const text = createFormat("row").value(became[0] as Packet);
    return [JSON.parse(String(text)).rows[0][2], payload.table.columns[3]?.kind];
  };
  expect([await gives("yes"), await gives("no")]).toEqual([
    [1, "int"],
    [0, "int"],
  ]);
  expect(await gives("json")).toEqual([{ a: 1 }, "json"]);
  expect(await gives("object")).toEqual([{ text: "no JSON" }, "json"]);
  expect(await gives("list")).toEqual([[1, { a: null }], "json"]);
  for (const note of ["infinite", "call", "symbol"]) {
    expect([note, await gives(note)]).toEqual([note, "FILTER_FAILED"]);
  }
});

test("it may give several, one by one, or later, under idents of its own", async () => {
  expect((await run("several", [documentOf("{}")])).map(shown)).toEqual([
    ['{"i":0}', '{"i":1}', '{"i":2}'],
  ]);
  const [later] = await run("later", [textOf("x")], { args: { to: "elsewhere" } });
  expect(later).toMatchObject([{ ident: "elsewhere", payload: { kind: "text", text: "x" } }]);
});

test("documents and records keep every digit on their way through", async () => {
  const packets = [documentOf('{"n":12345678901234567890,"l":[1,2]}'), recordOf("bytes", "k")];
  expect((await run("echo", packets)).map(shown)).toEqual([
    ['{"n":12345678901234567890,"l":[1,2]}'],
    ["bytes"],
  ]);
});

test("every kind of packet passes through a function that does nothing, as it was", async () => {
  const passed = await run("echo", samplePackets);
  const payloads = passed.map((one) => (typeof one === "string" ? one : one[0]?.payload));
  expect(payloads).toEqual(samplePackets.map(({ payload }) => payload));
});

test("a record keeps where it stood, and in which cluster: mirrors in both directions ask for it", async () => {
  const { payload, ...rest } = recordOf("bytes", "k");
  const placed = { ...payload, partition: 2, offset: 7, partitions: 3, cluster: "c1", part: "0" };
  const [passed] = await run("echo", [{ ...rest, payload: placed as Packet["payload"] }]);
  expect(passed).toMatchObject([{ payload: placed }]);
});

test("headers, a time or a value that are none fail the record, and not the output", async () => {
  const given = (change: object) => run("give", [recordOf(JSON.stringify(change), "k")]);
  const header = (...headers: unknown[]) => given({ headers });
  expect(await header(["a", "b"], ["a", null])).toMatchObject([
    [
      {
        payload: {
          headers: [
            ["a", "b"],
            ["a", null],
          ],
        },
      },
    ],
  ]);
  const wrong = [
    { headers: { a: "b" } },
    { timestamp: 1.5 },
    { timestamp: "now" },
    { value: "text" },
  ];
  for (const change of wrong)
    expect([change, await given(change)]).toEqual([change, ["FILTER_FAILED"]]);
  for (const pair of [["a"], ["a", 5], [5, "a"], ["a", "b", "c"], "ab", null]) {
    expect([pair, await header(pair)]).toEqual([pair, ["FILTER_FAILED"]]);
  }
});

test("what it throws, or gives that is no change, fails the packet", async () => {
  expect(await run("throws", [row])).toEqual(["Error: on purpose"]);
  expect(await run("nonsense", [row])).toEqual(["FILTER_FAILED"]);
});

test("a file that is elsewhere, or a function that is not there, is refused at the start", async () => {
  const open = (file: string, name = "filter") => run(name, [], { file });
  expect(open("./nosuch.ts")).rejects.toMatchObject({ code: "PLUGIN_LOAD" });
  expect(open("../script-filter.test.ts")).rejects.toMatchObject({ code: "PLUGIN_LOAD" });
  expect(open("./scripts.ts", "nosuch")).rejects.toMatchObject({ code: "PLUGIN_LOAD" });
  expect(open("./scripts.ts", "notAFunction")).rejects.toMatchObject({ code: "PLUGIN_LOAD" });
  expect(scriptFilter.configSchema.safeParse({ file: "/etc/x.ts" }).success).toBe(false);
});

test("a promise that never settles has its time, then the packet is a dead letter", async () => {
  const config = scriptFilter.configSchema.parse({ file: "./scripts.ts", function: "never" });
  const out = probeOutput();
  const { context } = fakeFilterContext({ configFile });
  const stuck = {
    ...scriptFilter,
    open: (own: typeof context, one: unknown) =>
      scriptFilter.open({ ...own, load: (path) => loadModule(path, configFile) }, one),
  };
  const bus = await start({
    inputs: [inputEntry("in", counterInput({ count: 2 }))],
    filters: [filterEntry("f", stuck, ["in"], { config, timeoutMs: 20 })],
    outputs: [outputEntry("out", out.plugin, ["f"])],
  });
  await waitFor(() => bus.state.deadLetters.count() === 2, { what: "both", timeoutMs: 20_000 });
  expect(bus.state.deadLetters.list().map(({ code, position }) => [code, position])).toEqual([
    ["PACKET_POISON", "1"],
    ["PACKET_POISON", "2"],
  ]);
}, 30_000);

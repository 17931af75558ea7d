import { expect, test } from "bun:test";
import { builtins } from "#plugins/index.ts";
import { requireConfig } from "#src/config/load.ts";
import { type MemoryBound, memoryBound } from "#src/config/memory-bound.ts";
import { createRegistry } from "#src/plugin/registry.ts";

const mib = 2 ** 20;

async function boundOf(config: Record<string, unknown>): Promise<MemoryBound> {
  const text = JSON.stringify({
    inputs: [{ name: "in", plugin: "MockInput" }],
    outputs: [{ name: "out", plugin: "MockOutput", match: "in" }],
    ...config,
  });
  return memoryBound(await requireConfig("c.yaml", { registry: createRegistry(builtins), text }));
}

const mysql = (name: string, eventBytesMax: number) => ({
  ...{ name, plugin: "MysqlbinlogInput", host: "127.0.0.1", user: "u", password: "" },
  eventBytesMax,
});
const out = (name: string) => ({ name, plugin: "MockOutput", match: "*" });

test("the bound is the sum of its parts, and each part says whose it is", async () => {
  const { parts, bytes, largeBytes } = await boundOf({});
  expect(bytes).toBe(parts.reduce((sum, part) => sum + part.bytes, 0));
  expect(largeBytes).toBe(0);
  expect(parts.map(({ what }) => what).join("\n")).toMatch(/runtime.*in: what.*out: a batch/s);
});

test("a larger window costs its values twice, and the garbage of as much again", async () => {
  const small = await boundOf({ bus: { window: { packets: 1000, bytes: 32 * mib } } });
  const large = await boundOf({ bus: { window: { packets: 1000, bytes: 132 * mib } } });
  expect(large.bytes - small.bytes).toBe(4 * 100 * mib);
});

test("only packets that no edge has room for count as large, the largest of them once", async () => {
  const outputs = [out("a")];
  const some = await boundOf({ inputs: [mysql("m", 8 * mib)], outputs });
  expect(some.largeBytes).toBe(0);
  const one = await boundOf({ inputs: [mysql("m", 100 * mib)], outputs });
  expect(one.largeBytes).toBe(600 * mib);
  const inputs = [mysql("m", 100 * mib), { ...mysql("n", 50 * mib), host: "localhost" }];
  expect((await boundOf({ inputs, outputs })).largeBytes).toBe(one.largeBytes);
  // Each output may be writing it.
  const two = await boundOf({ inputs: [mysql("m", 100 * mib)], outputs: [out("a"), out("b")] });
  expect(two.largeBytes).toBe(900 * mib);
});

test("a filter may hold what each of its edges holds, for every input", async () => {
  const filters = [{ name: "f", plugin: "MockFilter", match: "rows" }];
  const outputs = [{ name: "o", plugin: "MockOutput", match: "f" }];
  const inputs = [
    { ...mysql("m", mib), ident: "rows" },
    { ...mysql("n", mib), host: "localhost", ident: "rows" },
  ];
  const of = async (config: object) =>
    (await boundOf(config as Record<string, unknown>)).parts.find(({ what }) => /^f:/.test(what));
  const one = await of({ inputs: inputs.slice(0, 1), filters, outputs });
  const two = await of({ inputs, filters, outputs });
  expect(one?.bytes).toBeGreaterThan(8 * mib);
  expect(two?.bytes).toBe((one?.bytes ?? 0) * 2);
});

test("a buffer on disk counts what is on its way there and back, and a filter what it remembers", async () => {
  const disk = { ...out("o"), match: "in", buffer: { kind: "disk" } };
  const { parts } = await boundOf({ outputs: [disk] });
  const own = parts.find(({ what }) => what === "o: on the way to its disk and back");
  expect(own?.bytes).toBeGreaterThan(24 * mib);
  const filters = [{ name: "f", plugin: "DedupeFilter", match: "in", by: "key", countMax: 1000 }];
  const outputs = [{ ...out("o"), match: "f" }];
  const remembered = (await boundOf({ filters, outputs })).parts.find(({ what }) =>
    what.startsWith("f: what it remembers"),
  );
  expect(remembered?.bytes).toBe(2 * 1000 * 250);
});

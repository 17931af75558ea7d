import { expect, test } from "bun:test";
import { builtins } from "#plugins/index.ts";
import { loadConfig } from "#src/config/load.ts";
import { createRegistry } from "#src/plugin/registry.ts";

const brokers = ["127.0.0.1:1"];
const where = { name: "f", plugin: "WhereFilter", match: "t", when: "true" };

async function problemsOf(input: object, match: string, kind = "disk"): Promise<readonly string[]> {
  const text = JSON.stringify({
    inputs: [{ name: "in", plugin: "KafkaInput", brokers, ...input }],
    filters: [where],
    outputs: [
      { name: "out", plugin: "KafkaOutput", brokers, match, buffer: { kind } },
      // What nobody buffers is nobody's business.
      { name: "beside", plugin: "MockOutput", match: ["t", "f"] },
    ],
  });
  const registry = createRegistry(builtins);
  const { problems } = await loadConfig("c.yaml", { registry, text, env: {} });
  return problems.map(({ place, severity, message }) => `${place.path}: ${severity}: ${message}`);
}

const refused = [
  "outputs[0].buffer.kind: error: out keeps packets on this disk, and in shares its partitions in a group",
];

test("an input that joins a group goes with no buffer on disk, straight or through filters", async () => {
  expect(await problemsOf({ topics: ["t"], groupId: "g" }, "t")).toEqual(refused);
  expect(await problemsOf({ topics: ["t"], groupId: "g" }, "f")).toEqual(refused);
  expect(await problemsOf({ topics: ["t"], groupId: "g" }, "t", "memory")).toEqual([]);
});

test("one that reads alone does, also where it only commits to a group", async () => {
  expect(await problemsOf({ topics: ["t"] }, "t")).toEqual([]);
  expect(await problemsOf({ partitions: { t: [0] }, groupId: "g" }, "f")).toEqual([]);
});

import { expect, test } from "bun:test";
import { builtins } from "#plugins/index.ts";
import { loadConfig } from "#src/config/load.ts";
import { createRegistry } from "#src/plugin/registry.ts";

type Part = Readonly<Record<string, unknown>>;
type Pipeline = {
  readonly inputs?: readonly Part[];
  readonly filters?: readonly Part[];
  readonly output?: Part;
  readonly more?: Part;
};

const kafka = { name: "in", plugin: "KafkaInput", brokers: ["127.0.0.1:1"], topics: ["t"] };

/** What is wrong with a pipeline whose output is exactlyOnce. */
async function problemsOf({ inputs = [kafka], filters = [], output = {}, more = {} }: Pipeline) {
  const out = { name: "out", plugin: "KafkaOutput", brokers: ["127.0.0.1:1"], match: "*" };
  const outputs = [{ ...out, exactlyOnce: true, ...output }];
  const text = JSON.stringify({ ...more, inputs, filters, outputs });
  const loaded = await loadConfig("c.yaml", {
    registry: createRegistry(builtins),
    text,
    env: {},
  });
  return loaded.problems.filter(({ severity }) => severity === "error");
}

const filter = (plugin: string, own: Part = {}) => ({ name: "f", plugin, match: "t", ...own });

test("one way from an input whose positions compare is all that it takes", async () => {
  expect(await problemsOf({})).toEqual([]);
  const where = filter("WhereFilter", { when: "true" });
  expect(await problemsOf({ filters: [where], output: { match: "f" } })).toEqual([]);
  const first = filter("RouteFilter", { rules: [{ ident: "a" }], otherwise: "b" });
  expect(await problemsOf({ filters: [first], output: { match: ["a", "b"] } })).toEqual([]);
  const mysql = { plugin: "MysqlbinlogInput", host: "127.0.0.1", user: "u", password: "" };
  expect(await problemsOf({ inputs: [{ name: "m", ...mysql }] })).toEqual([]);
});

const cases: readonly (readonly [name: string, pipeline: Pipeline, says: RegExp])[] = [
  [
    "a consumer group, whose partitions others may read meanwhile",
    { inputs: [{ ...kafka, groupId: "g" }] },
    /what in reads cannot be told apart/,
  ],
  [
    "an input that cannot be read again",
    { inputs: [{ name: "h", plugin: "HttpInput", port: 1 }] },
    /what h reads cannot be told apart/,
  ],
  [
    "two ways on which packets overtake each other",
    { filters: [filter("WhereFilter", { when: "true" })], output: { match: ["t", "f"] } },
    /several ways: in -> f -> it, in -> it|several ways: in -> it, in -> f -> it/,
  ],
  [
    "a filter that makes several packets of one",
    { filters: [filter("SplitFilter", { separator: "," })], output: { match: "f" } },
    /f \(SplitFilter\) may make several packets of one/,
  ],
  [
    "a route by which a packet goes to several",
    {
      filters: [filter("RouteFilter", { mode: "all", rules: [{ ident: "a" }, { ident: "b" }] })],
      output: { match: ["a", "b"] },
    },
    /f \(RouteFilter\) may make several packets/,
  ],
  [
    "a filter that makes one packet of several",
    {
      filters: [filter("CountFilter")],
      output: { match: "f" },
    },
    /f \(CountFilter\) may make several packets of one, or one of several/,
  ],
  [
    "a buffer on disk, which may hold a packet twice",
    { output: { buffer: { kind: "disk" } } },
    /a buffer on disk may hold a packet twice/,
  ],
  ["a leader alone that acknowledges", { output: { qos: "LossTolerant" } }, /ThroughputFirst/],
  ["packets one by one", { output: { mode: "sync" } }, /needs async/],
  [
    "a transaction that is shorter than a request may take",
    { output: { exactlyOnce: { timeoutMs: 5_000 } } },
    /longer than requestTimeoutMs/,
  ],
];

for (const [name, pipeline, says] of cases) {
  test(`exactlyOnce refuses ${name}`, async () => {
    const problems = await problemsOf(pipeline);
    expect(problems.map(({ message }) => message).join("; ")).toMatch(says);
  });
}

test("a reason is told with its place and what would be right", async () => {
  const [problem] = await problemsOf({ inputs: [{ ...kafka, groupId: "g" }] });
  expect(problem?.code).toBe("CONFIG_GRAPH");
  expect(problem?.remedy).toContain("or leave exactlyOnce out, for at least once");
  expect(problem?.place.line).toBeGreaterThan(0);
});

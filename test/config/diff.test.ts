import { describe, expect, test } from "bun:test";
import type { Config } from "#src/config/config.ts";
import { diffConfigs } from "#src/config/diff.ts";
import { requireConfig } from "#src/config/load.ts";
import { registry } from "../support/sample-daemon.ts";

type Tree = Record<string, unknown>;

/** JSON is YAML. */
function configOf(tree: Tree, env: Record<string, string> = {}): Promise<Config> {
  return requireConfig("test.yaml", { registry, env, text: JSON.stringify(tree) });
}

const input = (name: string, more: Tree = {}) => ({ name, plugin: "MockInput", ...more });
const filter = (name: string, match: string | string[], more: Tree = {}) => ({
  ...{ name, plugin: "MockFilter", match },
  ...more,
});
const output = (name: string, match: string | string[], more: Tree = {}) => ({
  ...{ name, plugin: "MockOutput", match },
  ...more,
});

async function diffOf(before: Tree, after: Tree) {
  return diffConfigs(await configOf(before), await configOf(after));
}

const base = {
  inputs: [input("a"), input("b")],
  filters: [filter("f", "a")],
  outputs: [output("x", "f"), output("y", "b")],
};

describe("what a reload would change", () => {
  test("nothing, when only order, comments and spelling differ", async () => {
    const before = await configOf(base);
    const text = `# another day\n${JSON.stringify({ ...base, inputs: base.inputs.toReversed() }, null, 1)}`;
    const after = await requireConfig("test.yaml", { registry, env: {}, text });
    expect(diffConfigs(before, after)).toEqual({ fixed: [], changes: [], rerouted: [] });
    const listed = await configOf({ ...base, outputs: [output("x", ["f"]), output("y", "b")] });
    expect(diffConfigs(before, listed).changes).toEqual([]);
  });

  test("an entry with other settings is named with its keys, and its actor starts anew", async () => {
    const x = output("x", "f", {
      batch: { lingerMs: 5 },
      onFailed: "block",
      plugin: "StreamOutput",
    });
    const { changes, rerouted } = await diffOf(base, {
      ...base,
      inputs: [input("a", { rate: 5 }), input("b")],
      outputs: [x, output("y", "b")],
    });
    expect(changes).toMatchObject([
      { kind: "input", name: "a", change: "changed", keys: ["rate"], restarts: true },
      { kind: "output", name: "x", change: "changed", restarts: true },
    ]);
    expect(changes[1]?.keys).toEqual(
      expect.arrayContaining(["plugin", "onFailed", "batch.lingerMs"]),
    );
    expect(rerouted).toEqual([]);
  });

  test("a secret that was replaced is a change, and its value is nowhere", async () => {
    const tree = { ...base, inputs: [input("a"), input("b", { idents: ["${NAME}"] })] };
    const outputs = [output("x", "f"), output("y", "*")];
    const before = await configOf({ ...tree, outputs }, { NAME: "canary-1" });
    const after = await configOf({ ...tree, outputs }, { NAME: "canary-2" });
    const diff = diffConfigs(before, after);
    expect(diff.changes).toMatchObject([{ name: "b", keys: ["idents"] }]);
    expect(JSON.stringify(diff)).not.toContain("canary");
  });

  test("sections that are read at the start only are named down to the key", async () => {
    const { fixed } = await diffOf(base, {
      ...base,
      bus: { window: { packets: 9 }, onUnrouted: "fail" },
      state: { dir: "elsewhere" },
      admin: { port: 1 },
      log: { level: "debug" },
    });
    const bus = ["bus.window.packets", "bus.onUnrouted"];
    expect(fixed).toEqual([...bus, "state.dir", "admin.port", "log.level"]);
  });

  test("a name that moves to another kind is one that went and one that came", async () => {
    const { changes, rerouted } = await diffOf(
      { ...base, outputs: [...base.outputs, output("z", "a")] },
      {
        ...base,
        filters: [filter("f", "a"), filter("z", "a")],
        outputs: [output("x", ["f", "z"]), base.outputs[1]],
      },
    );
    expect(changes).toEqual([
      { kind: "filter", name: "z", change: "added", keys: [], restarts: true },
      { kind: "output", name: "x", change: "changed", keys: ["match"], restarts: false },
      { kind: "output", name: "z", change: "removed", keys: [], restarts: false },
    ]);
    expect(rerouted).toEqual(["a"]);
  });
});

describe("whose packets must arrive before the graph changes", () => {
  const rerouted = async (after: Tree) => (await diffOf(base, { ...base, ...after })).rerouted;

  test.each([
    ["an output goes", { outputs: [output("x", "f")] }, ["b"]],
    ["a filter goes", { filters: [], outputs: [output("x", "a"), output("y", "b")] }, ["a"]],
    [
      "a filter comes between",
      {
        filters: [filter("f", "a"), filter("g", "f")],
        outputs: [output("x", "g"), output("y", "b")],
      },
      ["a"],
    ],
    [
      "an output that is there gets more",
      { outputs: [output("x", ["f", "b"]), output("y", "b")] },
      ["a", "b"],
    ],
    [
      "an input goes",
      { inputs: [input("a")], outputs: [output("x", "f"), output("y", "a")] },
      ["a", "b"],
    ],
    [
      "an input emits other idents",
      {
        inputs: [input("a"), input("b", { ident: "c" })],
        outputs: [output("x", "f"), output("y", ["b", "c"])],
      },
      ["b"],
    ],
  ])("when %s: those that feed it", async (_, after, inputs) => {
    // A match that nothing sends would be refused: this one may name what an input may have.
    const tree = { ...base, ...after } as Tree & { inputs: Tree[] };
    if (JSON.stringify(after).includes('"c"')) tree.inputs.push(input("spare", { idents: ["b"] }));
    expect((await diffOf(base, tree)).rerouted).toEqual(inputs);
  });

  test("nobody's, when a new output or a new branch with a filter comes", async () => {
    expect(await rerouted({ outputs: [...base.outputs, output("z", ["f", "b"])] })).toEqual([]);
    const branch = { filters: [...base.filters, filter("g", "b")] };
    expect(await rerouted({ ...branch, outputs: [...base.outputs, output("z", "g")] })).toEqual([]);
    expect(await rerouted({ inputs: [...base.inputs, input("c")] })).toEqual([]);
  });

  test("those that have two ways to a new output", async () => {
    expect(await rerouted({ outputs: [...base.outputs, output("z", ["a", "f", "b"])] })).toEqual([
      "a",
    ]);
  });

  test("those of a new branch, when it leads to an output that was there", async () => {
    const after = {
      filters: [...base.filters, filter("g", "a", { ident: "f" })],
    };
    expect(await rerouted(after)).toEqual(["a"]);
  });
});

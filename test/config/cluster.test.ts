import { describe, expect, test } from "bun:test";
import { parseOptions } from "#src/cli/dbusd-options.ts";
import { diffConfigs } from "#src/config/diff.ts";
import { insecureParts } from "#src/config/insecure.ts";
import { loadConfig } from "#src/config/load.ts";
import type { Loaded, Overrides } from "#src/config/loaded.ts";
import { fakeRegistry } from "./fake-plugins.ts";

const pipeline = `inputs: [{name: in, plugin: FakeInput}]
outputs: [{name: out, plugin: FakeOutput, match: in}]
`;

function load(cluster: string, overrides: Overrides = {}, env = {}): Promise<Loaded> {
  const text = pipeline + cluster;
  return loadConfig("c.yaml", { registry: fakeRegistry, text, env, overrides });
}

const faultsOf = ({ problems }: Loaded) =>
  problems.map(({ place, severity, message }) => `${place.path}: ${severity}: ${message}`);

describe("the cluster section", () => {
  test("goes with no buffer on this machine's disk, which no other participant has", async () => {
    const output = "outputs: [{name: out, plugin: FakeOutput, match: in, buffer: {kind: disk}}]";
    const text = `inputs: [{name: in, plugin: FakeInput}]\n${output}\n`;
    const of = (more: string) =>
      loadConfig("c.yaml", { registry: fakeRegistry, text: text + more, env: {} });
    expect((await of("")).problems).toEqual([]);
    expect(faultsOf(await of("cluster: {connect: 'zk1:2181'}\n"))).toEqual([
      "outputs[0].buffer.kind: error: out keeps packets on this disk, which no other participant has",
    ]);
  });

  test("is not there unless it is written", async () => {
    expect((await load("")).config?.cluster).toBeUndefined();
    expect((await load("cluster:\n")).config?.cluster).toBeUndefined();
  });

  test("needs the servers only; all else has a default", async () => {
    const { config, problems } = await load("cluster: {connect: 'zk1:2181,zk2:2181/dbus'}\n");
    expect(problems).toEqual([]);
    expect(config?.cluster).toEqual({
      connect: "zk1:2181,zk2:2181/dbus",
      name: "default",
      tls: false,
      sessionTimeoutMs: 6000,
      onCoordinatorLost: "auto",
      weight: 1,
      tags: [],
      tenants: [],
      rpc: { listen: "127.0.0.1:9877" },
      drainMs: 10_000,
      rebalance: { debounceMs: 500, rejoinDelayMs: 0, gainMin: 0.05 },
    });
    expect(config?.inputs[0]).toMatchObject({ cost: 1, tags: [] });
  });

  test("says all that is wrong with it, each with its place", async () => {
    const wrong = `cluster:
  connect: "zk1:99999"
  name: "../other"
  id: "10.0.0.1:9876"
  auth: nopassword
  tls: {certificate: x}
  sessionTimeoutMs: 10
  onCoordinatorLost: hope
  weight: -1
  tags: ["a b"]
  key: short
  rpc: {listen: "9877", advertise: "host:70000"}
  rebalance: {gainMin: 2}
  leader: true
`;
    const loaded = await load(wrong);
    const paths = loaded.problems.map(({ place }) => place.path?.replace("cluster.", ""));
    expect(new Set(paths)).toEqual(
      new Set([
        ...["connect", "name", "id", "auth", "sessionTimeoutMs", "onCoordinatorLost", "weight"],
        ...["tags[0]", "key", "rpc.listen", "rpc.advertise", "rebalance.gainMin", "leader"],
        "tls.certificate",
      ]),
    );
    expect(loaded.problems.every(({ place }) => (place.line ?? 0) > 2)).toBe(true);
    expect(JSON.stringify(loaded.problems)).not.toContain("nopassword");
  });

  test("S4: its secrets are shown nowhere", async () => {
    const secrets =
      "auth: 'dbus:canary-1', key: canary-2-canary-2, tls: {ca: x, cert: y, key: canary-3}";
    const loaded = await load(`cluster: {connect: zk, ${secrets}}\n`);
    expect(loaded.config?.cluster?.auth).toBe("dbus:canary-1");
    expect(JSON.stringify(loaded.config?.shown)).not.toContain("canary");
    expect(JSON.stringify(loaded.problems)).not.toContain("canary");
  });

  test("S1: an RPC that other machines can reach is refused without a key", async () => {
    const open = "cluster: {connect: zk, rpc: {listen: '0.0.0.0:9877'}";
    expect(faultsOf(await load(`${open}}\n`))).toEqual([
      "cluster.rpc.listen: error: 0.0.0.0:9877 can be reached from other machines, and there is no cluster.key",
    ]);
    expect(faultsOf(await load(`${open}, key: 0123456789abcdef}\n`))).toEqual([]);
  });

  test("an RPC that the others cannot reach is a warning, where ZooKeeper is elsewhere", async () => {
    const keyed = (connect: string) => `cluster: {connect: ${connect}, key: 0123456789abcdef}\n`;
    expect(faultsOf(await load(keyed("zk1.example")))).toEqual([
      "cluster.rpc.listen: warning: participants on other machines cannot reach 127.0.0.1:9877",
    ]);
    expect(faultsOf(await load(keyed("127.0.0.1:2181")))).toEqual([]);
  });

  test("half a client certificate is refused", async () => {
    const loaded = await load("cluster: {connect: zk, tls: {cert: x}}\n");
    expect(faultsOf(loaded)).toEqual(["cluster.tls: error: cert and key go together"]);
  });

  test.each([
    ["connect: zk1", ["anybody may change the nodes"]],
    ["connect: zk1, auth: 'u:p'", ["in the clear (no cluster.tls)"]],
    ["connect: zk1, auth: 'u:p', tls: true", []],
    ["connect: 'localhost:2181'", []],
  ])("S5: what it does without is warned of: %s", async (fields, expected) => {
    const { config } = await load(`cluster: {${fields}}\n`);
    const parts = config ? insecureParts(config) : ["no config"];
    expect(parts).toHaveLength(expected.length);
    for (const [at, part] of expected.entries()) expect(parts[at]).toContain(part);
  });
});

describe("dbusd --cluster", () => {
  test("stands for the section, or for its servers", async () => {
    const { overrides } = parseOptions(["c.yaml", "--cluster", "zk1,zk2:2182/dbus"]);
    expect((await load("", overrides)).config?.cluster).toMatchObject({
      ...{ connect: "zk1,zk2:2182/dbus", name: "default" },
    });
    const section = "cluster: {name: shop, weight: 2}\n";
    expect((await load(section, overrides)).config?.cluster).toMatchObject({
      ...{ connect: "zk1,zk2:2182/dbus", name: "shop", weight: 2 },
    });
    expect(faultsOf(await load(section))).toHaveLength(1);
  });

  test.each(["", "zk:x", "zk1,,zk2", "zk/../x"])("refuses %j", (text) => {
    expect(() => parseOptions(["--cluster", text])).toThrow("--cluster: ");
  });
});

test("a changed cost, group, tag or tenant starts no input anew", async () => {
  const before = (await load("")).config;
  const text = pipeline.replace("FakeInput", "FakeInput, cost: 3, group: g, tags: [t], tenant: x");
  const after = (await loadConfig("c.yaml", { registry: fakeRegistry, text, env: {} })).config;
  if (!before || !after) throw new Error("both are right");
  expect(diffConfigs(before, after).changes).toEqual([
    {
      ...{ kind: "input", name: "in", change: "changed", restarts: false },
      keys: ["cost", "tags", "group", "tenant"],
    },
  ]);
});

test("a changed section of the cluster is read at the start only", async () => {
  const before = (await load("cluster: {connect: zk}\n")).config;
  const after = (await load("cluster: {connect: zk, weight: 2}\n")).config;
  if (!before || !after) throw new Error("both are right");
  expect(diffConfigs(before, after).fixed).toEqual(["cluster.weight"]);
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AdminServer, serveAdmin } from "#src/api/serve.ts";
import { runDbc } from "#src/cli/dbc.ts";
import { systemClock } from "#src/clock.ts";
import { createClusterPort } from "#src/cluster/operate/cluster-port.ts";
import { silentLog } from "#src/log.ts";
import { fakePort } from "../api/fake-port.ts";
import { adminConfig } from "../support/admin-config.ts";
import { waitFor } from "../support/index.ts";
import { createTestCluster, resourceOf, type TestCluster } from "../support/test-cluster.ts";

const operator = "operator-0123456789";
const reader = "reader-0123456789";
let cluster: TestCluster;
let server: AdminServer;
let alone: AdminServer;

beforeAll(async () => {
  cluster = await createTestCluster(
    ["shop", "crm", "stock", "mail"].map((name) => resourceOf(name)),
  );
  for (const pid of ["node-1", "node-2"]) cluster.start(pid);
  const port = createClusterPort({
    ...{ name: "shop", connect: "zk1:2181/dbus", clock: systemClock },
    node: () => cluster.member,
    check: async () => ({ problems: [], restart: [] }),
  });
  const tokens = [
    { name: "ops", role: "admin", token: operator },
    { name: "eyes", role: "read", token: reader },
  ] as const;
  server = await serveAdmin(adminConfig({ tokens }), { ...fakePort(), cluster: port }, silentLog);
  alone = await serveAdmin(
    adminConfig({ tokens }),
    { ...fakePort(), cluster: undefined },
    silentLog,
  );
  await settled();
});

afterAll(async () => {
  await server.stop();
  await alone.stop();
  await cluster.close();
});

async function dbc(args: string, env: Record<string, string> = {}) {
  let out = "";
  let err = "";
  const code = await runDbc(args.split(" "), {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: { DBUS_ADMIN: server.url, DBUS_TOKEN: operator, ...env },
    terminal: false,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

type Row = Readonly<Record<string, unknown>>;
const rows = async (verb: string): Promise<Row[]> => JSON.parse((await dbc(`${verb} --json`)).out);
const ownerOf = (input: string) => cluster.reading.get(input);
const countOf = (pid: string) => [...cluster.reading.values()].filter((one) => one === pid).length;

/** All is read, two and two, and nothing is under way. */
async function settled(): Promise<void> {
  await waitFor(
    async () => {
      const all = await rows("resources");
      return all.every(({ state }) => state === "running") && countOf("node-1") === 2;
    },
    { what: "an even load" },
  );
}

describe("looking", () => {
  test("clusters tells who leads and whether all is read", async () => {
    const { code, out } = await dbc("clusters");
    expect(code).toBe(0);
    expect(out).toMatch(/^shop {2}zk1:2181\/dbus {2}asked looker\nsession connected\n/);
    expect(out).toMatch(/leader node-[12] {2}epoch 1 {2}decision \d+\n/);
    expect(out).toEndWith("2 participants  4 resources, 0 not read\n");
    expect(await rows("clusters")).toMatchObject([{ name: "shop", unread: 0, quarantined: 0 }]);
  });

  test("participants is a table, with what was ordered below it", async () => {
    await dbc("weight node-2 1");
    const { out } = await dbc("participants");
    expect(out).toMatch(/^ID +STATE +WEIGHT +RESOURCES +COST +TAGS +BUILD +PROTO +CONFIG +RPC\n/);
    expect(out).toMatch(/^node-1 +online(, leads)? +1 +2 +2 +- +1\.0\.0 +1-1 +- +-$/m);
    expect(out).toMatch(/^node-2: weight 1 for its own 1 \(ops \(admin\), \d{4}-.*Z\)$/m);
    expect((await dbc("weight node-2 own")).out).toBe("node-2 has its own weight\n");
    expect((await dbc("participants")).out).not.toContain("node-2: ");
  });

  test("resources tells owner, state and checkpoint, and the positions when asked", async () => {
    await waitFor(async () => (await rows("resources")).every(({ checkpoint }) => checkpoint), {
      what: "checkpoints",
    });
    const { out } = await dbc("resources --positions");
    expect(out).toMatch(/^ID +INPUT +OWNER +STATE +COST +GROUP +SINCE +CHECKPOINT\n/);
    expect(out).toMatch(/^shop-r-\S+ +shop +node-[12] +running +1 +- +\S+Z +\S+Z$/m);
    expect(out).toMatch(/^shop-r-\S+: partition 0 at \d+$/m);
    expect((await dbc("resources")).out).not.toContain("partition");
  });

  test("decision shows the newest, and with --history who asked for what", async () => {
    expect((await dbc("decision")).out).toMatch(
      /^decision \d+ of epoch 1, by node-[12]: \d+ assig/,
    );
    const { out } = await dbc("decision --history --limit 3");
    expect(out).toMatch(/^AT +EPOCH +DECISION +BY +WHAT +ASKED BY\n/);
    expect((await dbc("decision --history --limit 0")).code).toBe(2);
  });
});

describe("ordering", () => {
  test("migrate moves a resource and waits for it; cancel lets it go", async () => {
    const to = ownerOf("shop") === "node-1" ? "node-2" : "node-1";
    const moved = await dbc(`migrate shop --to ${to} --wait 20`);
    expect(moved.out).toMatch(new RegExp(`^shop-r-\\S+ is wanted with ${to}; `));
    expect(ownerOf("shop")).toBe(to);
    expect((await dbc("resources")).out).toMatch(/: ops \(admin\) wants it with node-[12]$/m);
    expect((await dbc("migrate shop --cancel")).out).toMatch(/may be anywhere again/);
    await settled();
  });

  test("drain empties a participant, undrain gives it resources again", async () => {
    const drained = await dbc("drain node-1 --wait 20");
    expect(drained).toMatchObject({ code: 0, err: "" });
    expect(countOf("node-1")).toBe(0);
    expect((await dbc("participants")).out).toMatch(/^node-1: drained: dbc undrain node-1 takes/m);
    expect(await rows("drain node-1")).toMatchObject({ changed: false, drain: true });
    expect((await dbc("undrain node-1")).out).toBe("node-1 takes resources\n");
    await settled();
  });

  test("rebalance says first what would move, and leaves who asked in the history", async () => {
    expect((await dbc("rebalance --dry-run")).out).toBe("nothing would move: the load is even\n");
    await dbc("weight node-1 3");
    await waitFor(() => countOf("node-1") === 3, { what: "three of four" });
    await dbc("weight node-1 own");
    const { code, out } = await dbc("rebalance");
    expect(code).toBe(0);
    expect(out).toMatch(/^the leader (was asked|is asked already); /);
    await settled();
    expect((await dbc("decision --history")).out).toContain("ops (admin): weight node-1 3");
  });

  test("forget takes off who is gone, and nobody who is alive", async () => {
    expect(await dbc("forget node-1")).toMatchObject({
      code: 1,
      err: "dbc: node-1 is alive [CLUSTER_REFUSED]\n    stop it first; what it reads moves to others by itself\n",
    });
    cluster.start("node-3");
    await waitFor(async () => (await rows("participants")).length === 3, { what: "node-3" });
    await cluster.crash("node-3");
    await waitFor(async () => (await dbc("forget node-3")).code === 0, { what: "its end" });
    expect((await rows("participants")).map(({ id }) => id)).toEqual(["node-1", "node-2"]);
    await settled();
  });
});

describe("what cannot be", () => {
  test.each([
    [
      "migrate shpo --to node-1",
      'no resource is called shpo [NOT_FOUND]\n    did you mean "shop"?',
    ],
    ["migrate shop --to node-9", "no live participant is called node-9 [NOT_FOUND]\n    did you"],
    ["drain nod-1", 'no participant is called nod-1 [NOT_FOUND]\n    did you mean "node-1"?'],
  ])("%s names what was meant", async (args, expected) => {
    const { code, out, err } = await dbc(args);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toStartWith(`dbc: ${expected}`);
  });

  test.each([
    "migrate shop",
    "migrate shop --to node-1 --cancel",
    "migrate --to node-1",
    "drain",
    "drain a b",
    "weight node-1",
    "weight node-1 -3",
    "weight node-1 much",
    "forget",
    "rebalance now",
    "clusters all",
    "drain node-1 --wait soon",
  ])("%s is not understood", async (args) => {
    expect(await dbc(args)).toMatchObject({ code: 2, out: "" });
    // Nothing is ordered before all of the line is understood.
    expect((await rows("participants")).every(({ order }) => order === null)).toBe(true);
  });

  test("what takes longer than one waits is said, and goes on", async () => {
    cluster.start("node-4", { tags: ["x"] });
    const gone = ownerOf("crm") === "node-1" ? "node-2" : "node-1";
    const { code, err } = await dbc(`migrate crm --to ${gone} --wait 0`);
    expect([code, err.includes("[WAIT_OVER]")]).toEqual([1, true]);
    await waitFor(() => ownerOf("crm") === gone, { what: "the migration" });
    await dbc("migrate crm --cancel");
    await cluster.stop("node-4");
    await settled();
  });

  test("S1: who may only look gives no orders", async () => {
    const env = { DBUS_TOKEN: reader };
    expect((await dbc("participants", env)).code).toBe(0);
    for (const order of [
      "drain node-1",
      "rebalance",
      "forget node-1",
      "migrate shop --to node-1",
    ]) {
      expect((await dbc(order, env)).err).toContain("[ROLE_DENIED]");
    }
    expect(countOf("node-1")).toBe(2);
  });

  test("a daemon in no cluster says so", async () => {
    const env = { DBUS_ADMIN: alone.url };
    expect(await dbc("clusters", env)).toMatchObject({ code: 0, out: "in no cluster\n" });
    expect((await dbc("participants", env)).err).toContain("[CLUSTER_NONE]");
  });
});

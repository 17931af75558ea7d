import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { ParticipantView } from "#src/api/cluster-port.ts";
import { type AdminServer, serveAdmin } from "#src/api/serve.ts";
import { runDbc } from "#src/cli/dbc.ts";
import { upgradeSteps } from "#src/cli/verbs/upgrade.ts";
import { systemClock } from "#src/clock.ts";
import { createClusterPort } from "#src/cluster/operate/cluster-port.ts";
import { silentLog } from "#src/log.ts";
import { fakePort } from "../api/fake-port.ts";
import { adminConfig } from "../support/admin-config.ts";
import { holdsFor, waitFor } from "../support/index.ts";
import { createTestCluster, resourceOf, type TestCluster } from "../support/test-cluster.ts";

let cluster: TestCluster;
let server: AdminServer;

beforeAll(async () => {
  cluster = await createTestCluster(["a", "b", "c", "d"].map((name) => resourceOf(name)));
  for (const pid of ["n1", "n2", "n3"]) cluster.start(pid);
  const port = createClusterPort({
    ...{ name: "shop", connect: "zk1:2181", clock: systemClock, node: () => cluster.member },
    check: async () => ({ problems: [], restart: [] }),
  });
  server = await serveAdmin(adminConfig({}), { ...fakePort(), cluster: port }, silentLog);
});

afterAll(async () => {
  await server.stop();
  await cluster.close();
});

async function dbc(args: string) {
  let out = "";
  let err = "";
  const code = await runDbc(args.split(" "), {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: { DBUS_ADMIN: server.url },
    terminal: false,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

type Plan = ReturnType<typeof upgradeSteps> & { readonly hindrances: readonly string[] };
const planned = async (): Promise<Plan> =>
  JSON.parse((await dbc("upgrade --plan --to 2.0.0 --json")).out);

test("a script that follows the plan brings all to the new version, and all is read meanwhile", async () => {
  await waitFor(async () => (await planned()).hindrances.length === 0, { what: "a calm cluster" });
  const first = await planned();
  expect(first.steps.map(({ leader }) => leader)).toEqual([false, false, true]);
  expect(first.steps.every(({ state }) => state === "to do")).toBe(true);
  const order: string[] = [];
  for (;;) {
    const step = (await planned()).steps.find(({ state }) => state !== "done");
    if (!step) break;
    order.push(step.id);
    const [drain, restart, undrain, wait] = step.commands as [string, string, string, string];
    expect((await dbc(drain.replace("dbc ", ""))).err).toBe("");
    await holdsFor(() => cluster.reading.size === 4, { ms: 50, what: "all is read" });
    expect(restart).toBe(`(restart dbusd of ${step.id} with 2.0.0)`);
    await cluster.stop(step.id);
    cluster.start(step.id, { build: "2.0.0" });
    await waitFor(async () => (await planned()).steps.find(({ id }) => id === step.id)?.build, {
      what: "its return",
    });
    expect((await planned()).steps.find(({ id }) => id === step.id)).toMatchObject({
      ...{ state: "begun", commands: [undrain, wait] },
    });
    expect((await dbc(undrain.replace("dbc ", ""))).code).toBe(0);
    expect((await dbc(wait.replace("dbc ", ""))).out).toStartWith(`${step.id} is back with 2.0.0`);
  }
  expect(order).toEqual(first.steps.map(({ id }) => id));
  expect((await dbc("upgrade --plan --to 2.0.0")).out).toContain("nothing is left to do");
}, 30_000);

describe("the plan", () => {
  const one = (id: string, build: string | null, more: Partial<ParticipantView> = {}) => ({
    ...{ id, build, state: "online" as const, leader: false, weight: 1, ownWeight: 1, cost: 0 },
    ...{ order: null, tags: [], tenants: [], proto: [1, 1] as const, configVersion: null },
    ...{ configRefused: null, rpc: null, resources: 1, ...more },
  });

  test("knows the newest version that runs already, by its numbers", () => {
    const all = [one("a", "1.10.0"), one("b", "1.9.0", { leader: true }), one("c", "1.9.0")];
    const { to, steps } = upgradeSteps(all, undefined);
    expect(to).toBe("1.10.0");
    expect(steps.map(({ id, state }) => [id, state])).toEqual([
      ["a", "done"],
      ["c", "to do"],
      ["b", "to do"],
    ]);
  });

  test("leaves out who was gone before, and not who was drained for it", () => {
    const order = { drain: true, weight: null, by: "ops", at: 1 };
    const all = [one("a", null, { state: "gone" }), one("b", null, { state: "gone", order })];
    expect(upgradeSteps(all, "2").steps.map(({ id, state }) => [id, state])).toEqual([
      ["b", "begun"],
    ]);
  });
});

test.each(["upgrade", "upgrade now", "upgrade --plan --wait-for n1"])(
  "%s is not understood",
  async (args) => expect(await dbc(args)).toMatchObject({ code: 2, out: "" }),
);

test("who is waited for must be known", async () => {
  expect((await dbc("upgrade --wait-for n9")).err).toContain("no participant is called n9");
});

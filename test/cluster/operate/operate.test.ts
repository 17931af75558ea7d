import { afterEach, describe, expect, test } from "bun:test";
import { decisionsMax, forgetOldest, readHistory } from "#src/cluster/history.ts";
import { lookAt, planOf } from "#src/cluster/operate/look.ts";
import { forget, migrate, order, requestRebalance } from "#src/cluster/operate/order.ts";
import { paths, wishPath } from "#src/cluster/paths.ts";
import { encode } from "#src/cluster/records.ts";
import { DbusError } from "#src/errors.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { createTestCluster, resourceOf, type TestCluster } from "../../support/test-cluster.ts";

const settings = { quarantineAfter: 2 };
const who = { by: "ops", at: 1 };
const four = ["a", "b", "c", "d"].map((name) => resourceOf(name));
const outcome = (work: Promise<unknown>) => work.catch((thrown: unknown) => thrown);
const refused = (code: string, text: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

let cluster: TestCluster;
afterEach(() => cluster.close());

async function begun(pids: readonly string[], resources = four): Promise<TestCluster> {
  cluster = await createTestCluster(resources);
  for (const pid of pids) cluster.start(pid);
  await balanced(pids, resources.length);
  return cluster;
}

const countOf = (pid: string) => [...cluster.reading.values()].filter((one) => one === pid).length;

/** Every resource is read, and every participant reads one at least. */
async function balanced(pids: readonly string[], resources: number): Promise<void> {
  await waitFor(
    () => {
      const least = Math.floor(resources / pids.length);
      return cluster.reading.size === resources && pids.every((pid) => countOf(pid) >= least);
    },
    { what: `a balance of ${pids}` },
  );
}

const view = () => lookAt(cluster.session, settings);
const participant = async (id: string) => (await view()).participants.find((one) => one.id === id);
const resource = async (input: string) =>
  (await view()).resources.find((one) => one.input === input);

describe("looking", () => {
  test("who leads, who is there, and who reads what since when", async () => {
    await begun(["p1", "p2"]);
    await waitFor(async () => (await view()).resources.every(({ state }) => state === "running"), {
      what: "all of them running",
    });
    const seen = await view();
    expect(seen.epoch).toBe(1);
    expect(seen.gen).toBeGreaterThan(0);
    expect(seen.participants.map(({ id, state, resources }) => [id, state, resources])).toEqual([
      ["p1", "online", 2],
      ["p2", "online", 2],
    ]);
    expect(seen.participants.filter(({ leader }) => leader).map(({ id }) => id)).toEqual([
      seen.leader?.id as string,
    ]);
    for (const one of seen.resources) {
      expect(one.owner).toBe(cluster.reading.get(one.input) as string);
      expect(one.since).toBeGreaterThan(0);
      expect([one.why, one.failure, one.wish]).toEqual([null, null, null]);
    }
    await waitFor(async () => ((await resource("a"))?.checkpoint?.seq ?? 0) > 1, {
      what: "checkpoints",
    });
  });

  test("a resource that nobody can open is in quarantine, and says why", async () => {
    cluster = await createTestCluster(four);
    cluster.failures.set("b", new DbusError("MYSQL_ACCESS_DENIED", "no access for dbus"));
    for (const pid of ["p1", "p2"]) cluster.start(pid);
    await waitFor(async () => (await resource("b"))?.failure?.quarantined === true, {
      what: "a quarantine",
    });
    expect((await resource("b"))?.failure).toMatchObject({
      ...{ code: "MYSQL_ACCESS_DENIED", reason: "no access for dbus", attempts: 2 },
      failedOn: expect.arrayContaining(["p1", "p2"]),
    });
    // Whoever has mended it does not wait for the next try.
    cluster.failures.clear();
    await requestRebalance(cluster.session, who);
    await waitFor(() => cluster.reading.has("b"), { what: "b to be read" });
    // How it failed is remembered until it has run for long enough; a person waits no more.
    await waitFor(async () => (await resource("b"))?.failure?.quarantined === false, {
      what: "the end of the quarantine",
    });
  });

  test("a member that is gone stays on the list until it is forgotten", async () => {
    await begun(["p1", "p2"]);
    expect(await outcome(forget(cluster.session, "p2"))).toEqual(
      refused("CLUSTER_REFUSED", "p2 is alive"),
    );
    await order(cluster.session, "p2", { weight: 3 }, who);
    await cluster.crash("p2");
    await balanced(["p1"], 4);
    expect(await participant("p2")).toMatchObject({ state: "gone", resources: 0, build: null });
    expect(await forget(cluster.session, "p2")).toEqual({ changed: true });
    expect(await participant("p2")).toBeUndefined();
    expect((await cluster.session.children(paths.orders)).names).toEqual([]);
    expect(await outcome(forget(cluster.session, "p3"))).toEqual(refused("NOT_FOUND", "p3"));
  });
});

describe("moving", () => {
  test("what was migrated stays where it is wanted, until somebody asks for balance", async () => {
    await begun(["p1", "p2"]);
    for (const { input } of four) {
      await migrate(cluster.session, { resource: input, to: "p2" }, who);
    }
    await waitFor(() => countOf("p2") === 4, { what: "all with p2" });
    expect(await migrate(cluster.session, { resource: "a", to: "p2" }, who)).toMatchObject({
      changed: false,
    });
    await holdsFor(() => countOf("p2") === 4, { ms: 600, what: "all stay" });
    expect((await resource("a"))?.wish).toEqual({ to: "p2", by: "ops" });
    expect(Object.values((await planOf(cluster.session, settings)).revoke)).toEqual([
      { from: "p2", to: "p1" },
    ]);
    expect(await requestRebalance(cluster.session, who)).toEqual({ changed: true });
    await waitFor(() => countOf("p1") === 2 && countOf("p2") === 2, { what: "a balance" });
    expect((await view()).requested).toBeNull();
    expect((await resource("a"))?.wish).toBeNull();
    const [newest] = (await readHistory(cluster.session)).filter(({ asked }) => asked.length > 0);
    expect(newest).toMatchObject({ asked: ["ops: rebalance"], epoch: 1 });
    // Where nothing is to be changed the request goes too.
    await requestRebalance(cluster.session, who);
    await waitFor(async () => (await view()).requested === null, { what: "an answer" });
  });

  test("a wish is taken back, and one that cannot be is refused with what would be right", async () => {
    await begun(["p1", "p2"], [...four, resourceOf("tagged", { tags: ["eu"] })].slice(0, 4));
    const { session } = cluster;
    const to = cluster.reading.get("a") ?? "";
    await migrate(session, { resource: "a", to }, who);
    await migrate(session, { resource: "a", to: null }, who);
    expect(await migrate(session, { resource: "a", to: null }, who)).toMatchObject({
      changed: false,
    });
    const rid = (await resource("a"))?.id ?? "";
    expect(await session.exists(wishPath(rid))).toBeNull();
    const tries = [
      [{ resource: "A1", to }, "NOT_FOUND", "no resource is called A1"],
      [{ resource: "a", to: "p3" }, "NOT_FOUND", "no live participant is called p3"],
    ] as const;
    for (const [wanted, code, text] of tries) {
      expect(await outcome(migrate(session, wanted, who))).toEqual(refused(code, text));
    }
    await order(session, "p1", { drain: true }, who);
    expect(await outcome(migrate(session, { resource: "a", to: "p1" }, who))).toEqual(
      refused("CLUSTER_REFUSED", "it drains"),
    );
  });
});

describe("orders", () => {
  test("a drained participant gives all away, comes back drained, and is used again when told", async () => {
    await begun(["p1", "p2"]);
    expect(await order(cluster.session, "p1", { drain: true }, who)).toEqual({ changed: true });
    expect(await order(cluster.session, "p1", { drain: true }, who)).toEqual({ changed: false });
    await balanced(["p2"], 4);
    await cluster.stop("p1");
    cluster.start("p1");
    await waitFor(async () => (await participant("p1"))?.state === "draining", { what: "p1" });
    await holdsFor(() => countOf("p1") === 0, { ms: 400, what: "p1 reads nothing" });
    expect((await participant("p1"))?.order).toEqual({ drain: true, weight: null, ...who });
    await order(cluster.session, "p1", { drain: false }, who);
    await balanced(["p1", "p2"], 4);
    expect((await participant("p1"))?.order).toBeNull();
  });

  test("a weight that was ordered counts before what a participant says of itself", async () => {
    await begun(["p1", "p2"]);
    await order(cluster.session, "p1", { weight: 3 }, who);
    await waitFor(() => countOf("p1") === 3, { what: "three of four" });
    expect(await participant("p1")).toMatchObject({ weight: 3, ownWeight: 1 });
    await order(cluster.session, "p1", { weight: 0 }, who);
    await waitFor(() => countOf("p1") === 2 || countOf("p1") === 3, { what: "no surprise" });
    expect(await outcome(order(cluster.session, "p4", { weight: 1 }, who))).toEqual(
      refused("NOT_FOUND", "no participant is called p4"),
    );
  });
});

test("the newest decisions are remembered with their epochs, and the oldest forgotten", async () => {
  await begun(["p1"]);
  await cluster.crash("p1");
  cluster.start("p2");
  await balanced(["p2"], 4);
  const history = await readHistory(cluster.session);
  expect(history.map(({ by, epoch }) => [by, epoch])).toEqual([
    ["p2", 2],
    ["p1", 1],
  ]);
  expect(history[0]?.at).toBeGreaterThan(0);
  const { session } = cluster;
  for (let n = 0; n < decisionsMax + 30; n++) {
    const mode = "persistent_sequential";
    await session.create(`${paths.history}/d-`, encode({ ...history[0], gen: 100 + n }), { mode });
  }
  await forgetOldest(session, (operations) => session.multi(operations));
  const kept = await readHistory(session, 1_000);
  expect(kept.map(({ gen }) => gen)).toEqual(
    Array.from({ length: decisionsMax }, (_, n) => 100 + decisionsMax + 29 - n),
  );
});

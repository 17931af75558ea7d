import { afterEach, describe, expect, test } from "bun:test";
import { createMonitor } from "#src/cluster/monitor.ts";
import { lookAt } from "#src/cluster/operate/look.ts";
import { readFormat } from "#src/cluster/protocol.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { createTestCluster, resourceOf, type TestCluster } from "../../support/test-cluster.ts";

const resources = ["a", "b"].map((name) => resourceOf(name));
let cluster: TestCluster;
afterEach(() => cluster?.close());

const format = async () => (await readFormat(cluster.session))?.record;
const read = () => cluster.reading.size === resources.length;

describe("protocol versions", () => {
  test("who does not speak what the cluster speaks does not join, and says why", async () => {
    cluster = await createTestCluster(resources);
    cluster.start("p1", { proto: [2, 3] });
    await waitFor(read, { what: "a cluster" });
    expect(await format()).toEqual({ protoFinal: 3, protoMin: 2 });
    for (const [pid, proto] of [
      ["old", [1, 2]],
      ["new", [4, 5]],
    ] as const) {
      const node = cluster.start(pid, { proto: [...proto] });
      const error = await waitFor(() => node.trouble, { what: `${pid} to say why` });
      expect(error).toMatchObject({ code: "CLUSTER_PROTOCOL", kind: "fatal" });
      expect(error?.message).toContain(`protocol 3, and this dbusd ${proto[0]} to ${proto[1]}`);
    }
    const { participants } = await lookAt(cluster.session, { quarantineAfter: 2 });
    expect(participants.map(({ id }) => id)).toEqual(["p1"]);
  });

  test("the newest that all speak is spoken only once the last of them can", async () => {
    cluster = await createTestCluster(resources);
    for (const pid of ["p1", "p2"]) cluster.start(pid, { proto: [1, 1] });
    await waitFor(read, { what: "a cluster" });
    // One after the other is replaced by a version that speaks more.
    await cluster.stop("p1");
    cluster.start("p1", { proto: [1, 2] });
    await waitFor(
      async () =>
        (await lookAt(cluster.session, { quarantineAfter: 2 })).participants.every(
          ({ state }) => state === "online",
        ),
      {
        what: "both",
      },
    );
    await holdsFor(async () => (await format())?.protoFinal === 1, { ms: 500, what: "1" });
    await cluster.stop("p2");
    cluster.start("p2", { proto: [1, 2] });
    await waitFor(async () => (await format())?.protoFinal === 2, { what: "2" });
    const late = cluster.start("p3", { proto: [1, 1] });
    expect((await late.ended)?.code).toBe("CLUSTER_PROTOCOL");
  });
});

describe("rejoinDelayMs", () => {
  const away = () => ["a", "b"].some((input) => !cluster.reading.has(input));

  test("what a vanished participant read waits for it, and goes back to it", async () => {
    cluster = await createTestCluster(resources, { rejoinDelayMs: 60_000 });
    for (const pid of ["p1", "p2"]) cluster.start(pid);
    await waitFor(() => new Set(cluster.reading.values()).size === 2, { what: "one each" });
    const before = new Map(cluster.reading);
    await cluster.crash("p2");
    await holdsFor(() => cluster.reading.size === 1, { ms: 500, what: "it waits" });
    cluster.start("p2");
    await waitFor(() => !away(), { what: "both again" });
    expect(new Map(cluster.reading)).toEqual(before);
  });

  test("but no longer than it, and not when somebody asks for a decision", async () => {
    cluster = await createTestCluster(resources, { rejoinDelayMs: 300, reconcileEveryMs: 60_000 });
    for (const pid of ["p1", "p2"]) cluster.start(pid);
    await waitFor(() => new Set(cluster.reading.values()).size === 2, { what: "one each" });
    await cluster.crash("p2");
    await waitFor(() => [...cluster.reading.values()].join() === "p1,p1", { what: "all with p1" });
  });
});

test("the leader's monitor tells for how long nobody has read a resource", async () => {
  const clock = createManualClock();
  const monitor = createMonitor(clock, { quarantineAfter: 2 });
  cluster = await createTestCluster(resources);
  const record = resourceOf("a");
  const assign = {
    record: { owner: "p1", inc: "i", gen: 1, epoch: 1, prev: null },
    version: 1,
  };
  const observed = { rid: "a-1", record, assign, claim: null, status: null };
  const census = {
    ...{ participants: new Map(), resources: [observed], decision: null, decisionVersion: null },
    ...{ wishes: new Map(), orders: new Map(), request: null },
  };
  expect(monitor.sight()).toBeNull();
  monitor.seen(census, new Map([["a-1", "lost"]]));
  await clock.advance(1_500);
  monitor.seen(census, new Map([["a-1", "assigned"]]));
  expect(monitor.sight()).toMatchObject({
    states: { assigned: 1 },
    unread: [{ id: "a-1", input: "a", ms: 1_500 }],
  });
  monitor.seen(census, new Map([["a-1", "running"]]));
  expect(monitor.sight()?.unread).toEqual([]);
  monitor.decided({ assign: 2, revoke: 1 });
  monitor.ended();
  expect([monitor.sight(), monitor.assigned, monitor.moved]).toEqual([null, 2, 1]);
});

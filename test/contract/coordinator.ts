import { expect, test } from "bun:test";
import type { ZkEvent, ZkSession } from "#src/clients/zookeeper/port.ts";
import { waitFor } from "../support/index.ts";

/** Two sessions with one tree, in which a node of that name is for this test alone. */
export type CoordinatorUnderTest = {
  readonly one: ZkSession;
  readonly other: ZkSession;
  readonly root: string;
  end(): Promise<void>;
};

const text = (value: string) => Buffer.from(value, "utf8");
const failure = (work: Promise<unknown>) => work.catch((thrown: unknown) => thrown);
const said = async (session: ZkSession, path: string) =>
  Buffer.from((await session.get(path)).data).toString();

/**
 * What the cluster stands on, whatever keeps it: ZooKeeper, the coordinator of a bus that runs
 * alone, and the simulated one that the protocol is proven against.
 */
export function coordinatorContract(
  name: string,
  open: (root: string) => Promise<CoordinatorUnderTest>,
  register: typeof test = test,
): void {
  let number = 0;
  const on = (what: string, run: (under: CoordinatorUnderTest) => Promise<void>) =>
    register(`${name}: ${what}`, async () => {
      const under = await open(`/contract-${number++}`);
      try {
        await under.one.create(under.root, text("root"));
        await run(under);
      } finally {
        await under.end();
      }
    });

  on("what is created is read, listed, changed and deleted, with its version", async (under) => {
    const { one, other, root } = under;
    expect(await one.create(`${root}/a`, text("1"))).toBe(`${root}/a`);
    await other.sync(root);
    const { stat, data } = await other.get(`${root}/a`);
    expect([Buffer.from(data).toString(), stat.version, stat.ephemeralOwner]).toEqual(["1", 0, 0n]);
    expect(await other.set(`${root}/a`, text("22"), 0)).toMatchObject({ version: 1, dataBytes: 2 });
    const above = await one.children(root);
    expect([above.names, above.stat.childrenVersion, above.stat.childCount]).toEqual([["a"], 1, 1]);
    expect(await failure(one.delete(root, 0))).toMatchObject({ reason: "not_empty" });
    await one.delete(`${root}/a`, 1);
    expect(await one.exists(`${root}/a`)).toBeNull();
    expect((await one.children(root)).stat.childrenVersion).toBe(2);
    // One that is made again begins anew: that is why nodes with a fence are never deleted.
    await one.create(`${root}/a`, text(""));
    expect((await one.get(`${root}/a`)).stat.version).toBe(0);
  });

  on("what does not fit is refused with the same words", async ({ one, root }) => {
    const refusals: [() => Promise<unknown>, string, string][] = [
      [() => one.set(root, text(""), 4), "bad_version", `set ${root}: bad version`],
      [() => one.delete(root, 4), "bad_version", `delete ${root}: bad version`],
      [() => one.get(`${root}/no`), "no_node", `get ${root}/no: no node`],
      [() => one.children(`${root}/no`), "no_node", `children ${root}/no: no node`],
      [() => one.set(`${root}/no`, text(""), 0), "no_node", `set ${root}/no: no node`],
      [() => one.create(root, text("")), "node_exists", `create ${root}: node exists`],
      [() => one.create(`${root}/no/a`, text("")), "no_node", `create ${root}/no/a: no node`],
    ];
    for (const [work, reason, message] of refusals) {
      const error = await failure(work());
      expect(error).toMatchObject({ code: "ZOOKEEPER_CONDITION", outcomeUnknown: false });
      expect(error).toMatchObject({ reason, message });
    }
    expect((await one.get(root)).stat.version).toBe(0);
  });

  on("no write is taken that any version would do for", async ({ one, root }) => {
    const set = { kind: "set", path: root, data: text(""), version: -1 } as const;
    const drop = { kind: "delete", path: root, version: -1 } as const;
    for (const work of [
      () => one.set(root, text(""), -1),
      () => one.delete(root, -1),
      () => one.multi([set]),
      () => one.multi([drop]),
    ]) {
      expect(await failure(work())).toMatchObject({ code: "INVARIANT" });
    }
    expect(await said(one, root)).toBe("root");
  });

  on("a multi is done at one moment, or not at all", async ({ one, other, root }) => {
    const events: ZkEvent[] = [];
    await other.children(root, (event) => void events.push(event));
    const failing = one.multi([
      { kind: "create", path: `${root}/a`, data: text("a") },
      { kind: "set", path: root, data: text("new"), version: 0 },
      { kind: "check", path: `${root}/a`, version: 7 },
    ]);
    expect(await failure(failing)).toMatchObject({
      ...{ reason: "bad_version", message: `check ${root}/a: bad version` },
    });
    await other.sync(root);
    expect([await said(other, root), await other.exists(`${root}/a`)]).toEqual(["root", null]);
    expect(events).toEqual([]);
    const results = await one.multi([
      { kind: "check", path: root, version: 0 },
      { kind: "create", path: `${root}/a`, data: text("a") },
      { kind: "set", path: root, data: text("new"), version: 0 },
      { kind: "check", path: `${root}/a`, version: "exists" },
      { kind: "delete", path: `${root}/a`, version: 0 },
    ]);
    expect(results.map(({ kind }) => kind)).toEqual(["check", "create", "set", "check", "delete"]);
    await waitFor(() => events.length > 0, { what: "the children to be told" });
    expect(events).toEqual([{ kind: "children", path: root }]);
  });

  on("a node is checked not to be there by making and removing it", async ({ one, root }) => {
    const path = `${root}/a`;
    const absent = () =>
      one.multi([
        { kind: "create", path, data: text("") },
        { kind: "delete", path, version: 0 },
      ]);
    await absent();
    await one.create(path, text(""), { mode: "ephemeral" });
    expect(await failure(absent())).toMatchObject({ reason: "node_exists" });
  });

  on("a watch is called once, for what it waits for", async ({ one, other, root }) => {
    const events: ZkEvent[] = [];
    const note = (event: ZkEvent) => void events.push(event);
    const path = `${root}/a`;
    expect(await one.exists(path, note)).toBeNull();
    await other.create(path, text(""));
    await waitFor(() => events.length === 1, { what: "the creation" });
    await one.get(path, note);
    await one.children(path, note);
    await other.create(`${path}/b`, text(""));
    await other.set(path, text("new"), 0);
    await waitFor(() => events.length === 3, { what: "both changes" });
    await other.set(path, text("newer"), 1);
    await other.delete(`${path}/b`, 0);
    await one.exists(path, note);
    await other.delete(path, 2);
    await waitFor(() => events.length === 4, { what: "the deletion" });
    expect(events).toEqual([
      { kind: "created", path },
      { kind: "children", path },
      { kind: "changed", path },
      { kind: "deleted", path },
    ]);
  });

  on("who watches the children of a node hears of its end", async ({ one, other, root }) => {
    const events: ZkEvent[] = [];
    await other.create(`${root}/a`, text(""));
    await one.sync(root);
    await one.children(`${root}/a`, (event) => void events.push(event));
    await other.delete(`${root}/a`, 0);
    await waitFor(() => events.length > 0, { what: "the end" });
    expect(events).toEqual([{ kind: "deleted", path: `${root}/a` }]);
  });

  on("ephemeral nodes are their session's, have no children, and end with it", async (under) => {
    const { one, other, root } = under;
    const path = `${root}/mine`;
    await one.create(path, text(""), { mode: "ephemeral" });
    await other.sync(root);
    expect((await other.get(path)).stat.ephemeralOwner).toBe(one.id);
    expect(await failure(one.create(`${path}/a`, text("")))).toMatchObject({
      reason: "no_children_for_ephemerals",
    });
    const events: ZkEvent[] = [];
    await other.exists(path, (event) => void events.push(event));
    await one.close();
    await waitFor(() => events.length > 0, { what: "the end of the node" });
    expect(events).toEqual([{ kind: "deleted", path }]);
    expect([one.state, other.state]).toEqual(["closed", "connected"]);
    expect(await failure(one.get(root))).toMatchObject({ reason: "closed" });
  });

  on("numbers of sequential nodes go on, also after what was deleted", async (under) => {
    const { one, other, root } = under;
    const next = (session: ZkSession) =>
      session.create(`${root}/n-`, text(""), { mode: "ephemeral_sequential" });
    expect(await next(one)).toBe(`${root}/n-0000000000`);
    expect(await next(other)).toBe(`${root}/n-0000000001`);
    await other.delete(`${root}/n-0000000001`, 0);
    // ZooKeeper takes them from how often the children have changed, deletions among them.
    const later = Number((await next(one)).slice(-10));
    expect(later).toBeGreaterThan(1);
    expect((await other.children(root)).names).toHaveLength(2);
  });
}

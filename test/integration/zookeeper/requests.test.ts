import { expect } from "bun:test";
import { creatorOnly } from "#src/clients/zookeeper/open-zookeeper.ts";
import type { ZkEvent } from "#src/clients/zookeeper/port.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { bothWays, failure, zkSession } from "../../support/zookeeper-session.ts";

const services = await useStarted("ZooKeeper", () => startZookeeper());
const both = bothWays(services, ({ connect }) => connect);
const text = (value: string) => Buffer.from(value, "utf8");

both("what is created is read, listed, changed and deleted", async ({ connect }) => {
  const zk = zkSession(connect);
  expect(await zk.create("/plain", text("one"))).toBe("/plain");
  expect(await zk.create("/plain/a-", text(""), { mode: "persistent_sequential" })).toBe(
    "/plain/a-0000000000",
  );
  const node = await zk.get("/plain");
  expect([Buffer.from(node.data).toString(), node.stat.version]).toEqual(["one", 0]);
  expect((await zk.set("/plain", text("two"), 0)).version).toBe(1);
  expect((await zk.children("/plain")).names).toEqual(["a-0000000000"]);
  expect(await failure(zk.delete("/plain", 1))).toMatchObject({ reason: "not_empty" });
  await zk.delete("/plain/a-0000000000", 0);
  await zk.delete("/plain", 1);
  expect(await zk.exists("/plain")).toBeNull();
  await zk.close();
});

both("a write that expects another version is refused, with a reason", async (service) => {
  const zk = zkSession(service.connect);
  await zk.create("/versions", text("x"));
  const refused = { code: "ZOOKEEPER_CONDITION", reason: "bad_version", outcomeUnknown: false };
  expect(await failure(zk.set("/versions", text("y"), 4))).toMatchObject(refused);
  expect(await failure(zk.delete("/versions", 4))).toMatchObject(refused);
  expect(await failure(zk.get("/nowhere"))).toMatchObject({ reason: "no_node" });
  expect(await failure(zk.create("/versions", text("")))).toMatchObject({ reason: "node_exists" });
  await zk.close();
});

both("no write goes out that any version would do for", async ({ connect }) => {
  const zk = zkSession(connect);
  await zk.create("/any", text("x"));
  expect(await failure(zk.set("/any", text("y"), -1))).toMatchObject({ code: "INVARIANT" });
  expect(await failure(zk.delete("/any", -1))).toMatchObject({ code: "INVARIANT" });
  const set = { kind: "set", path: "/any", data: text("y"), version: -1 } as const;
  expect(await failure(zk.multi([set]))).toMatchObject({ code: "INVARIANT" });
  // And the connection is still in step with the server.
  expect(Buffer.from((await zk.get("/any")).data).toString()).toBe("x");
  await zk.close();
});

both("a multi does all of it or nothing, and names what failed", async ({ connect }) => {
  const zk = zkSession(connect);
  await zk.create("/multi", text("0"));
  const results = await zk.multi([
    { kind: "check", path: "/multi", version: 0 },
    { kind: "create", path: "/multi/a", data: text("a") },
    { kind: "set", path: "/multi", data: text("1"), version: 0 },
    { kind: "check", path: "/multi/a", version: "exists" },
  ]);
  expect(results.map(({ kind }) => kind)).toEqual(["check", "create", "set", "check"]);
  const failing = zk.multi([
    { kind: "set", path: "/multi", data: text("2"), version: 1 },
    { kind: "check", path: "/multi/a", version: 7 },
    { kind: "create", path: "/multi/b", data: text("b") },
  ]);
  const error = await failing.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ reason: "bad_version", message: "check /multi/a: bad version" });
  expect(Buffer.from((await zk.get("/multi")).data).toString()).toBe("1");
  expect(await zk.exists("/multi/b")).toBeNull();
  await zk.close();
});

both("a watch is called once, for what it waits for", async ({ connect }) => {
  const zk = zkSession(connect);
  const other = zkSession(connect);
  const events: ZkEvent[] = [];
  const note = (event: ZkEvent) => void events.push(event);
  expect(await zk.exists("/watched", note)).toBeNull();
  await other.create("/watched", text(""));
  await waitFor(() => events.length === 1, { what: "the creation to be told" });
  await zk.get("/watched", note);
  await zk.children("/watched", note);
  await other.create("/watched/child", text(""));
  await other.set("/watched", text("new"), 0);
  await waitFor(() => events.length === 3, { what: "both changes to be told" });
  await other.set("/watched", text("newer"), 1);
  await other.sync("/watched");
  await zk.sync("/watched");
  expect(events).toEqual([
    { kind: "created", path: "/watched" },
    { kind: "children", path: "/watched" },
    { kind: "changed", path: "/watched" },
  ]);
  await Promise.all([zk.close(), other.close()]);
});

both("a chroot stands before every path, and nobody sees it", async ({ connect }) => {
  const root = zkSession(connect);
  await root.create("/apps", text(""));
  await root.create("/apps/bus", text("home"));
  const zk = zkSession(`${connect}/apps/bus`);
  const events: ZkEvent[] = [];
  expect(Buffer.from((await zk.get("/")).data).toString()).toBe("home");
  expect(await zk.create("/x", text("1"))).toBe("/x");
  await zk.get("/x", (event) => void events.push(event));
  const [made] = await zk.multi([{ kind: "create", path: "/y", data: text("2") }]);
  expect(made).toEqual({ kind: "create", path: "/y" });
  await root.set("/apps/bus/x", text("3"), 0);
  await waitFor(() => events.length === 1, { what: "the change to be told" });
  expect(events).toEqual([{ kind: "changed", path: "/x" }]);
  expect((await root.children("/apps/bus")).names.toSorted()).toEqual(["x", "y"]);
  await Promise.all([zk.close(), root.close()]);
});

both("S16: what one principal makes no other can read or change", async ({ connect }) => {
  const zk = zkSession(connect, { digest: "dbus:right", acl: creatorOnly });
  const stranger = zkSession(connect);
  const impostor = zkSession(connect, { digest: "dbus:wrong" });
  await zk.create("/secret", text("x"));
  const denied = { code: "ZOOKEEPER_DENIED", reason: "no_auth" };
  for (const other of [stranger, impostor]) {
    expect(await failure(other.get("/secret"))).toMatchObject(denied);
    expect(await failure(other.set("/secret", text("y"), 0))).toMatchObject(denied);
    expect(await failure(other.create("/secret/child", text("")))).toMatchObject(denied);
  }
  expect(Buffer.from((await zk.get("/secret")).data).toString()).toBe("x");
  await Promise.all([zk.close(), stranger.close(), impostor.close()]);
});

both("closing ends the session at once, and its ephemeral nodes", async ({ connect }) => {
  const zk = zkSession(connect, { sessionTimeoutMs: 10_000 });
  const other = zkSession(connect);
  await zk.create("/mine", text(""), { mode: "ephemeral" });
  const { promise, resolve } = Promise.withResolvers<ZkEvent>();
  await other.exists("/mine", resolve);
  await zk.close();
  expect(await promise).toEqual({ kind: "deleted", path: "/mine" });
  expect(zk.state).toBe("closed");
  expect(await failure(zk.get("/mine"))).toMatchObject({ reason: "closed" });
  await other.close();
});

both("ten thousand children are listed, a node too large is refused", async (service) => {
  const zk = zkSession(service.connect, { sessionTimeoutMs: 10_000 });
  await zk.create("/many", text(""));
  const names = Array.from({ length: 10_000 }, (_, n) => `resource-${n}-${"x".repeat(100)}`);
  for (let at = 0; at < names.length; at += 500) {
    const creates = names.slice(at, at + 500).map((name) => {
      return { kind: "create", path: `/many/${name}`, data: text("") } as const;
    });
    await zk.multi(creates);
  }
  const { names: listed } = await zk.children("/many");
  expect(listed.toSorted()).toEqual(names.toSorted());
  // The server ends the connection of who sends more than jute.maxbuffer; the session lives on.
  const huge = zk.create("/huge", new Uint8Array(2 * 1024 * 1024));
  expect(await failure(huge)).toMatchObject({ reason: "lost", outcomeUnknown: true });
  expect(await zk.exists("/huge")).toBeNull();
  await zk.close();
});

services.test("the servers of this file are stopped", async (service) => {
  await service.stop();
  const zk = zkSession(service.connect, { sessionTimeoutMs: 1_000 });
  expect(await failure(zk.get("/"))).toMatchObject({
    code: "ZOOKEEPER_UNREACHABLE",
    outcomeUnknown: false,
  });
  expect(zk.state).toBe("connecting");
  await zk.close();
});

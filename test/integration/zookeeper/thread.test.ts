import { expect } from "bun:test";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { parseZkAddress } from "#src/clients/zookeeper/address.ts";
import { openZookeeper } from "#src/clients/zookeeper/open-zookeeper.ts";
import type { ZkEvent, ZkState } from "#src/clients/zookeeper/port.ts";
import {
  openThreadChannel,
  startThread,
} from "#src/clients/zookeeper/worker/open-thread-channel.ts";
import { systemClock } from "#src/clock.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { failure, zkSession } from "../../support/zookeeper-session.ts";

const services = await useStarted("ZooKeeper", () => startZookeeper({ tickMs: 100 }));
const none = new Uint8Array(0);

/** A process that blocks its event loop for twice its session; what it said, and what a watch saw. */
async function blocked(connect: string, how: "thread" | "loop") {
  const path = `/blocked-${randomUUID()}`;
  const other = zkSession(connect, { sessionTimeoutMs: 2_000 });
  // Connected before the node is made: it may be there for no longer than the loop stands still.
  await other.exists(path);
  const program = join(import.meta.dir, "../../fixtures/zookeeper-blocked.ts");
  const child = Bun.spawn([process.execPath, program, connect, path, "1000", "2500", how], {
    stdout: "pipe",
    stderr: "inherit",
  });
  await waitFor(async () => (await other.exists(path)) !== null, { what: "the node" });
  const events: ZkEvent[] = [];
  await other.exists(path, (event) => void events.push(event));
  const said = await new Response(child.stdout).text();
  await child.exited;
  await other.close();
  return { said, events };
}

services.test("fault 76: a session outlives an event loop that stands still", async (server) => {
  const { said } = await blocked(server.connect, "thread");
  const [, session, silent, timeoutMs, owner, states] =
    /^held (\d+)\nheard (\d+) ms ago, of (\d+)\nowner (\d+) after ([a-z ]+)\n$/.exec(said) ?? [];
  expect(session).toBeDefined();
  expect([owner, states]).toEqual([session, "connected"]);
  // And it may go on at once: what counts for its lease was heard while it stood still.
  expect(Number(silent)).toBeLessThan((Number(timeoutMs) * 2) / 3);
});

services.test("without a thread of its own it would have expired", async (server) => {
  const { said, events } = await blocked(server.connect, "loop");
  expect(said).toContain("the session has expired");
  expect(events).toMatchObject([{ kind: "deleted" }]);
});

/** A session in a thread that the test can get at. */
function session(connect: string, start = startThread) {
  const threads: Worker[] = [];
  const options = {
    address: parseZkAddress(connect),
    ...{ sessionTimeoutMs: 1_000, clock: systemClock, random: Math.random },
  };
  const channel = openThreadChannel(options, () => {
    const thread = start();
    threads.push(thread);
    return thread;
  });
  const zk = openZookeeper(options, channel);
  const states: ZkState[] = [];
  zk.onState((state) => void states.push(state));
  return { zk, states, thread: threads[0] as Worker };
}

services.test("a thread that dies takes the session along, and all that waits", async (server) => {
  const { zk, states, thread } = session(server.connect);
  await zk.create(`/dies-${randomUUID()}`, none, { mode: "ephemeral" });
  const events: ZkEvent[] = [];
  await zk.exists("/", (event) => void events.push(event));
  thread.terminate();
  const waiting = zk.create("/never", none);
  expect(await failure(waiting)).toMatchObject({ reason: "expired", outcomeUnknown: true });
  expect(states).toEqual(["connected", "expired"]);
  expect(events).toEqual([{ kind: "lost", path: "/" }]);
  expect(await failure(zk.get("/"))).toMatchObject({ code: "ZOOKEEPER_SESSION_EXPIRED" });
  await zk.close();
});

services.test("so does one that hangs, and one that cannot start", async (server) => {
  const program = (text: string) => URL.createObjectURL(new Blob([text]));
  const welcome =
    'postMessage({ kind: "state", state: "connected", session: 1n, timeoutMs: 800 });';
  const hung = session(server.connect, () => new Worker(program(`${welcome} for (;;);`)));
  expect(await failure(hung.zk.get("/"))).toMatchObject({ reason: "expired" });
  expect(hung.states).toEqual(["connected", "expired"]);
  const broken = session(server.connect, () => new Worker(program("throw new Error('broken')")));
  expect(await failure(broken.zk.get("/"))).toMatchObject({
    reason: "expired",
    message: expect.stringContaining("broken"),
  });
});

services.test(
  "what was meant for a connection that is gone is not sent on the next",
  async (all) => {
    const { zk, states } = session(all.connect);
    const path = `/meant-${randomUUID()}`;
    await zk.create(path, none);
    all.kill("SIGSTOP");
    // Its messages wait while this goes round; the thread has left the server meanwhile.
    const until = systemClock.now() + 700;
    while (systemClock.now() < until);
    expect(zk.state).toBe("connected");
    const late = failure(zk.set(path, none, 0));
    all.kill("SIGCONT");
    expect(await late).toMatchObject({ reason: "lost", outcomeUnknown: false });
    await waitFor(() => zk.state === "connected" && states.includes("suspended"), {
      what: "a way",
    });
    expect((await zk.get(path)).stat.version).toBe(0);
    await zk.close();
  },
);

services.test("what was heard is never later than it was", async (server) => {
  const { zk } = session(server.connect);
  await zk.exists("/");
  let sent = 0;
  for (let n = 0; n < 200; n++) {
    sent = systemClock.now();
    await zk.exists("/");
    const { now = 0, wall = 0 } = zk.heard ?? {};
    expect(now).toBeLessThanOrEqual(systemClock.now());
    expect(wall).toBeLessThanOrEqual(systemClock.wall());
    // It is at most what lies between sending a message to the thread and its arrival too early.
    expect(now).toBeGreaterThan(sent - 200);
  }
  await zk.close();
});

services.test("the server of this file is stopped", (server) => server.stop());

import { afterEach, expect, test } from "bun:test";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { systemClock } from "#src/clock.ts";
import { type ConfigFollower, followConfig } from "#src/cluster/config-follower.ts";
import { configReports } from "#src/cluster/config-report.ts";
import { currentConfig, pushConfig } from "#src/cluster/config-store.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { DbusError } from "#src/errors.ts";
import { silentLog } from "#src/log.ts";
import { waitFor } from "../support/index.ts";

const by = { by: "ops", at: 1 };
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function begun() {
  const coordinator = createEmbeddedCoordinator(systemClock);
  const session = coordinator.open();
  ends.push(() => session.close());
  await waitFor(() => session.state === "connected", { what: "a session" });
  await pushConfig(session, { text: "first", ...by });
  const first = await currentConfig(session);
  if (!first) throw new Error("it was pushed");
  const applied: string[] = [];
  const tries: string[] = [];
  const opened: ZkSession[] = [];
  const follow = (pid: string): ConfigFollower => {
    const follower = followConfig({
      openSession: () => {
        const own = coordinator.open();
        opened.push(own);
        return own;
      },
      ...{ pid, first, clock: systemClock, random: Math.random, log: silentLog },
      async apply({ text }) {
        tries.push(text);
        if (text.startsWith("bad")) throw new DbusError("CONFIG_INVALID", `${text} is not right`);
        applied.push(`${pid} ${text}`);
      },
    });
    ends.push(() => follower.stop());
    return follower;
  };
  const reportOf = async (pid: string) => (await configReports(session)).get(pid);
  return { session, applied, tries, opened, follow, reportOf };
}

test("what is pushed is taken over by everybody, and each says so", async () => {
  const { session, applied, follow, reportOf } = await begun();
  follow("p1");
  const second = follow("p2");
  await waitFor(async () => (await reportOf("p1"))?.n === 1, { what: "what runs already" });
  expect(applied).toEqual([]);
  await pushConfig(session, { text: "second", ...by });
  for (const pid of ["p1", "p2"]) {
    await waitFor(async () => (await reportOf(pid))?.n === 2, { what: `${pid} to take it over` });
  }
  expect(applied.toSorted()).toEqual(["p1 second", "p2 second"]);
  await second.stop();
  await waitFor(async () => (await reportOf("p2")) === undefined, { what: "its end" });
});

test("what is refused leaves the one before in force, and the reason is seen by all", async () => {
  const { session, applied, tries, opened, follow, reportOf } = await begun();
  follow("p1");
  await pushConfig(session, { text: "bad one", ...by });
  await waitFor(async () => (await reportOf("p1"))?.refused, { what: "a refusal" });
  expect(await reportOf("p1")).toMatchObject({
    n: 1,
    refused: { n: 2, code: "CONFIG_INVALID", problems: ["bad one is not right"] },
  });
  // Whoever looks again does not try again what was refused, but says it again.
  await opened[0]?.close();
  await waitFor(() => opened.length === 2, { what: "another session" });
  await waitFor(async () => (await reportOf("p1"))?.refused?.n === 2, { what: "its report" });
  expect(tries).toEqual(["bad one"]);
  await pushConfig(session, { text: "good", ...by });
  await waitFor(async () => (await reportOf("p1"))?.n === 3, { what: "the next one" });
  expect(await reportOf("p1")).toEqual({ n: 3, refused: null });
  expect(applied).toEqual(["p1 good"]);
});

test("with another session it goes on, and misses nothing that was pushed in between", async () => {
  const { session, applied, opened, follow, reportOf } = await begun();
  follow("p1");
  await waitFor(async () => (await reportOf("p1"))?.n === 1, { what: "a report" });
  await opened[0]?.close();
  await pushConfig(session, { text: "second", ...by });
  await waitFor(() => applied.length === 1, { what: "the second" });
  await waitFor(async () => (await reportOf("p1"))?.n === 2, { what: "a report" });
});

import { afterEach, expect, test } from "bun:test";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { systemClock } from "#src/clock.ts";
import {
  configVersions,
  currentConfig,
  documentBytesMax,
  pushConfig,
  readConfig,
} from "#src/cluster/config-store.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { waitFor } from "../support/index.ts";

const sessions: ZkSession[] = [];
afterEach(async () => {
  for (const one of sessions.splice(0)) await one.close();
});

async function opened(): Promise<ZkSession> {
  const session = createEmbeddedCoordinator(systemClock).open();
  sessions.push(session);
  await waitFor(() => session.state === "connected", { what: "a session" });
  return session;
}

const by = { by: "ops", at: 1 };
const outcome = (work: Promise<unknown>) => work.catch((thrown: unknown) => thrown);
const coded = (code: string) => expect.objectContaining({ code });

test("each text that is pushed is a version of its own, and the last one counts", async () => {
  const session = await opened();
  expect([await currentConfig(session), await configVersions(session)]).toEqual([null, []]);
  expect(await pushConfig(session, { text: "a", ...by })).toEqual({ n: 1, changed: true });
  expect(await pushConfig(session, { text: "a", ...by })).toEqual({ n: 1, changed: false });
  expect(await pushConfig(session, { text: "b", ...by })).toEqual({ n: 2, changed: true });
  expect(await pushConfig(session, { text: "a", ...by, of: 1 })).toEqual({ n: 3, changed: true });
  expect(await currentConfig(session)).toMatchObject({ n: 3, text: "a", of: 1, ...by });
  expect(await readConfig(session, 2)).toMatchObject({ text: "b", of: null });
  expect(await readConfig(session, 9)).toBeNull();
  const versions = await configVersions(session);
  expect(versions.map(({ n, current, bytes }) => [n, current, bytes])).toEqual([
    [3, true, 1],
    [2, false, 1],
    [1, false, 1],
  ]);
});

test("of those who push at the same moment nobody's change is lost unseen", async () => {
  const session = await opened();
  await pushConfig(session, { text: "0", ...by });
  const blind = Array.from({ length: 8 }, (_, n) => pushConfig(session, { text: `b${n}`, ...by }));
  const numbers = (await Promise.all(blind)).map(({ n }) => n);
  expect(new Set(numbers).size).toBe(8);
  const base = Math.max(...numbers);
  const sighted = Array.from({ length: 4 }, (_, n) =>
    outcome(pushConfig(session, { text: `s${n}`, base, ...by })),
  );
  const ends = await Promise.all(sighted);
  expect(ends.filter((end) => !(end instanceof Error))).toHaveLength(1);
  expect(ends.filter((end) => end instanceof Error)).toEqual(
    Array(3).fill(coded("CLUSTER_REFUSED")),
  );
});

test("whoever watches is told of the first, and of the next", async () => {
  const session = await opened();
  let told = 0;
  const watch = () => void told++;
  expect(await currentConfig(session, watch)).toBeNull();
  await pushConfig(session, { text: "a", ...by });
  await waitFor(() => told === 1, { what: "the first" });
  expect((await currentConfig(session, watch))?.n).toBe(1);
  await pushConfig(session, { text: "b", ...by });
  await waitFor(() => told === 2, { what: "the next" });
});

test("what no node can hold is refused before it is sent, and changes nothing", async () => {
  const session = await opened();
  await pushConfig(session, { text: "a", ...by });
  const huge = "x".repeat(documentBytesMax);
  expect(await outcome(pushConfig(session, { text: huge, ...by }))).toEqual(
    coded("CLUSTER_CONFIG_TOO_LARGE"),
  );
  expect((await currentConfig(session))?.n).toBe(1);
});

test("a version that somebody changed by hand is not believed", async () => {
  const session = await opened();
  await pushConfig(session, { text: "a", ...by });
  const path = "/config/v_0000000001";
  const { data, stat } = await session.get(path);
  const forged = Buffer.from(data).toString().replace('"text":"a"', '"text":"b"');
  await session.set(path, Buffer.from(forged), stat.version);
  expect(await outcome(currentConfig(session))).toEqual(coded("CLUSTER_STATE_CORRUPT"));
});

test("the newest hundred are kept", async () => {
  const session = await opened();
  for (let n = 1; n <= 104; n++) await pushConfig(session, { text: `${n}`, ...by });
  const versions = await configVersions(session);
  expect([versions.length, versions[0]?.n, versions.at(-1)?.n]).toEqual([100, 104, 5]);
});

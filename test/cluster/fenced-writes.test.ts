import { expect, test } from "bun:test";
import { systemClock } from "#src/clock.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { leaderWrite, ownerWrite } from "#src/cluster/fenced-writes.ts";
import { assignPath, checkpointPath, paths } from "#src/cluster/paths.ts";
import { waitFor } from "../support/index.ts";

const data = (text: string) => Buffer.from(text);
const stale = expect.objectContaining({ code: "STALE_EPOCH" });
const outcome = (work: Promise<unknown>) => work.catch((thrown: unknown) => thrown);

async function opened() {
  const session = createEmbeddedCoordinator(systemClock).open();
  await waitFor(() => session.state === "connected", { what: "a session" });
  for (const path of [paths.assign, paths.checkpoint, paths.election]) {
    await session.create(path, data(""));
  }
  return session;
}

test("who was given another fence cannot commit under the old one", async () => {
  const session = await opened();
  await session.create(assignPath("r"), data("first"));
  const write = ownerWrite(session, "r", 0);
  const path = checkpointPath("r");
  await write([{ kind: "create", path, data: data("1") }]);
  await session.set(assignPath("r"), data("second"), 0);
  const late = write([{ kind: "set", path, data: data("2"), version: 0 }]);
  expect(await outcome(late)).toEqual(stale);
  expect(Buffer.from((await session.get(path)).data).toString()).toBe("1");
});

test("a leader that was replaced, or has left the election, decides nothing more", async () => {
  const session = await opened();
  await session.create(paths.leaderEpoch, data("1"));
  const own = await session.create(`${paths.election}/a-`, data(""), {
    mode: "ephemeral_sequential",
  });
  const write = leaderWrite(session, 0, own);
  await write([{ kind: "create", path: paths.decision, data: data("1") }]);
  const decide = () =>
    outcome(write([{ kind: "set", path: paths.decision, data: data("2"), version: 0 }]));
  await session.set(paths.leaderEpoch, data("2"), 0);
  expect(await decide()).toEqual(stale);
  const again = leaderWrite(session, 1, own);
  await session.delete(own, 0);
  const set = { kind: "set", path: paths.decision, data: data("2"), version: 0 } as const;
  expect(await outcome(again([set]))).toEqual(stale);
  expect(Buffer.from((await session.get(paths.decision)).data).toString()).toBe("1");
});

test("what fails behind a fence that holds is told as what it is", async () => {
  const session = await opened();
  await session.create(assignPath("r"), data(""));
  const set = { kind: "set", path: checkpointPath("r"), data: data(""), version: 0 } as const;
  const refused = await outcome(ownerWrite(session, "r", 0)([set]));
  expect(refused).toMatchObject({ reason: "no_node", code: "ZOOKEEPER_CONDITION" });
});

test("nothing of it waits for a connection", async () => {
  const session = createEmbeddedCoordinator(systemClock).open();
  const early = await outcome(ownerWrite(session, "r", 0)([]));
  expect(early).toMatchObject({ reason: "unreachable" });
});

import { expect, test } from "bun:test";
import type { DbusError } from "#src/errors.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { packetOf } from "../support/packets.ts";
import { inputOf, probeOutput } from "../support/probe-plugins.ts";
import { inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses({ checkpointIntervalMs: 3_600_000 });

/** A state whose checkpoints are stored when a test says so. */
function slowState() {
  const state = memoryState();
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const { checkpoints } = state;
  const commit: typeof checkpoints.commit = async (commits) => {
    asked.resolve();
    await gate.promise;
    await checkpoints.commit(commits);
  };
  return {
    state: { ...state, checkpoints: { ...checkpoints, commit } },
    asked: asked.promise,
    store: () => gate.resolve(),
  };
}

test("where a source begins is stored before anything of it is read, and the next run begins there", async () => {
  const { state, asked, store } = slowState();
  const out = probeOutput();
  const places: unknown[] = [];
  const plugin = inputOf(async (context) => {
    places.push(context.resume());
    if (context.resume() === null) await context.begin({ 0: 7 });
    await context.emit(packetOf(context.ident, 8));
  });
  const entries = {
    inputs: [inputEntry("in", plugin)],
    outputs: [outputEntry("out", out.plugin, ["in"])],
  };
  const bus = await start({ ...entries, state });
  await asked;
  expect(await state.checkpoints.list()).toEqual([]);
  expect(out.written).toEqual([]);
  store();
  await waitFor(() => out.written.length === 1, { what: "the packet" });
  expect((await state.checkpoints.list()).map(({ position }) => position)).toEqual(["7"]);
  // As after a SIGKILL: nothing was committed since.
  await start({ ...entries, state });
  await waitFor(() => places.length === 2, { what: "another run" });
  expect(places).toEqual([null, 7]);
  expect(bus.failures).toEqual([]);
});

test("a run that is told to end while its beginning is stored does not begin", async () => {
  const { state, asked, store } = slowState();
  const out = probeOutput();
  const ended = Promise.withResolvers<unknown>();
  const aborted = Promise.withResolvers<void>();
  const plugin = inputOf(async (context) => {
    context.signal.addEventListener("abort", () => aborted.resolve());
    await context.begin({ 0: 7 }).catch(ended.resolve);
    ended.resolve("began");
  });
  const bus = await start({
    inputs: [inputEntry("in", plugin)],
    outputs: [outputEntry("out", out.plugin, ["in"])],
    state,
  });
  await asked;
  const stopped = bus.stop();
  await aborted.promise;
  store();
  expect(((await ended.promise) as DbusError).code).toBe("ACTOR_UNAVAILABLE");
  await stopped;
});

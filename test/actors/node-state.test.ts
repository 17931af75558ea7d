import { expect, test } from "bun:test";
import { z } from "zod";
import type { ActorStatus } from "#src/api/port.ts";
import { DbusError, type ErrorCode } from "#src/errors.ts";
import { defineFilter } from "#src/plugin/define.ts";
import { counterInput, inputOf, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry, type TestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

/** What the status says of each node of a bus, and the supervisor of its actor. */
function statesOf({ admin }: TestBus) {
  const flat = (one: ActorStatus): ActorStatus[] => [one, ...one.children.flatMap(flat)];
  const actors = flat(admin.supervisor()).filter(({ path, strategy }) => {
    return path.startsWith("engine/pipeline/") && strategy === undefined;
  });
  const { inputs, filters, outputs, ready } = admin.stat();
  return {
    ready,
    nodes: [...inputs, ...filters, ...outputs].map(({ name, state }) => `${name}: ${state}`),
    actors: actors.map(({ path, state }) => `${path.split("/")[2]}: ${state}`),
  };
}

const throwing = (code: ErrorCode) => (): never => {
  throw new DbusError(code, "a test wants it so");
};

/** Everything fails with that error when it is begun. */
function failing(code: ErrorCode) {
  const fails = throwing(code);
  const input = inputOf(async () => fails());
  const own = { name: "ProbeFilter", summary: "fails", configSchema: z.unknown() };
  const filter = defineFilter<unknown, null>({ ...own, open: fails, apply: () => null });
  return {
    inputs: [inputEntry("in", input)],
    filters: [filterEntry("f", filter, ["in"])],
    outputs: [outputEntry("out", { ...probeOutput().plugin, open: fails }, ["f"])],
  };
}

test("who needs a person is blocked, and who waits for what comes back by itself is not", async () => {
  const waits = ["outputs: backoff", "filters: backoff", "router: running", "inputs: backoff"];
  const blocked = await start(failing("KAFKA_AUTH"));
  await waitFor(() => expect(statesOf(blocked).actors).toEqual(waits) ?? true, { what: "all" });
  expect(statesOf(blocked)).toMatchObject({
    nodes: ["in: blocked", "f: blocked", "out: blocked"],
    ready: false,
  });
  const away = await start(failing("KAFKA_UNREACHABLE"));
  await waitFor(() => expect(statesOf(away).actors).toEqual(waits) ?? true, { what: "all" });
  expect(statesOf(away)).toMatchObject({
    nodes: ["in: backoff", "f: backoff", "out: backoff"],
    ready: false,
  });
});

test("an output that holds what its sink refused is blocked until it is taken", async () => {
  const out = probeOutput();
  let refuses = true;
  const write: typeof out.plugin.write = (opened, packets, context) =>
    refuses
      ? packets.map(() => ({ failed: new DbusError("KAFKA_LOOP", "no") }))
      : out.plugin.write(opened, packets, context);
  const bus = await start({
    inputs: [inputEntry("in", counterInput({ count: 10 }))],
    outputs: [outputEntry("out", { ...out.plugin, write }, ["in"], { onFailed: "block" })],
  });
  const output = () => bus.admin.stat().outputs[0];
  await waitFor(() => output()?.state === "blocked", { what: "the refusal" });
  expect(output()?.note).toBe("retrying: KAFKA_LOOP: no");
  refuses = false;
  await waitFor(() => output()?.state === "running", { what: "what was held to be taken" });
  expect([output()?.note, out.written.length]).toEqual([null, 10]);
});

import { describe, expect, test } from "bun:test";
import { whereFilter } from "#plugins/filter/where/where-filter.ts";
import type { ActorStatus } from "#src/api/port.ts";
import type { Packet } from "#src/flow/packet.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { inputOf, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry, type TestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

/** Numbers as JSON documents; the fourth has no number. */
const numbers = inputOf(async (context) => {
  const from = Number(context.resume() ?? 0);
  for (let at = from + 1; at <= 9; at++) {
    const json = at === 4 ? '{"n":null}' : `{"n":${at}}`;
    const packet: Packet = {
      ident: "in",
      payload: { kind: "document", json },
      position: at,
      bytes: 9,
    };
    await context.emit(packet);
  }
});

const config = { when: "row.n > 0" };

function actorAt(bus: TestBus, path: string): ActorStatus | undefined {
  const flat = (one: ActorStatus): ActorStatus[] => [one, ...one.children.flatMap(flat)];
  return flat(bus.admin.supervisor()).find((one) => one.path === `engine/pipeline/${path}`);
}

function entries(onFailed: "deadletter" | "block", when = config.when) {
  const out = probeOutput();
  const filter = filterEntry("f", whereFilter, ["in"], { config: { when }, onFailed });
  const outputs = [outputEntry("out", out.plugin, ["f"])];
  return { inputs: [inputEntry("in", numbers)], filters: [filter], outputs, out };
}

describe("an expression that fails for some rows", () => {
  test("puts them into the dead letters with their position, and the others go on", async () => {
    const { out: _, ...given } = entries("deadletter");
    const bus = await start(given);
    await waitFor(() => bus.admin.stat().outputs[0]?.packets === 8, { what: "the others" });
    const letters = bus.state.deadLetters.list();
    expect(letters.map(({ node, code, position }) => [node, code, position])).toEqual([
      ["f", "EXPRESSION_FAILED", "4"],
    ]);
  });

  test("or stops the filter there with onFailed: block, until a person has mended it", async () => {
    const state = memoryState();
    const { out, ...given } = entries("block");
    const bus = await start({ ...given, state });
    await waitFor(() => actorAt(bus, "filters/f")?.state === "backoff", { what: "the stop" });
    await waitFor(() => bus.admin.stat().outputs[0]?.packets === 3, { what: "those before it" });
    const { lastError } = actorAt(bus, "filters/f") ?? {};
    expect(lastError).toMatchObject({ code: "EXPRESSION_FAILED" });
    expect(lastError?.message).toStartWith("it does not go on at 4: the expression failed:");
    expect(state.deadLetters.count()).toBe(0);

    const mended = filterEntry("f", whereFilter, ["in"], {
      config: { when: "row.n == null || row.n > 0" },
      onFailed: "block",
    });
    await bus.reload({ filters: [mended] });
    await waitFor(() => bus.admin.stat().outputs[0]?.packets === 9, { what: "all of it" });
    // Those before the stop were not sent once more.
    expect(out.written.length).toBe(9);
  });
});

import { describe, expect, test } from "bun:test";
import { whereFilter } from "#plugins/filter/where/where-filter.ts";
import type { ActorStatus } from "#src/api/port.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import { DbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { inputOf, outputOf, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry, type TestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

/** A number as a JSON document; one that `every` divides has none. */
function numbered(at: number, every: number): Packet {
  const json = at % every === 0 ? '{"n":null}' : `{"n":${at}}`;
  return { ident: "in", payload: { kind: "document", json }, position: at, bytes: 9 };
}

/** Nine of them, of which the fourth has no number. */
const numbers = inputOf(async (context) => {
  const from = Number(context.resume() ?? 0);
  for (let at = from + 1; at <= 9; at++) await context.emit(numbered(at, at === 4 ? 4 : 10));
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

  test("writes all of a delivery at once, settles none before, and does it again when it cannot", async () => {
    const own = memoryState();
    const puts: { readonly letters: readonly string[]; readonly settled: unknown }[] = [];
    const put: DeadLetterStore["put"] = (letters) => {
      const settled = bus.wiring.inputs[0]?.partitions.settled("0");
      puts.push({ letters: letters.map(({ position }) => position), settled });
      if (puts.length === 1) throw new DbusError("STATE_UNWRITABLE", "database or disk is full");
      return own.deadLetters.put(letters);
    };
    const many = inputOf(async ({ resume, emitBatch }) => {
      const from = Number(resume() ?? 0);
      await emitBatch(Array.from({ length: 200 - from }, (_, i) => numbered(from + i + 1, 2)));
    });
    const written: unknown[] = [];
    const out = outputOf((packets) => void written.push(...packets.map((one) => one.position)));
    const outputs = [outputEntry("out", out, ["f"])];
    const { filters } = entries("deadletter");
    const inputs = [inputEntry("in", many)];
    const state = { ...own, deadLetters: { ...own.deadLetters, put } };
    const bus = await start({ inputs, filters, outputs, state });
    const isWaiting = () => bus.system.wake("engine/pipeline/filters/f");
    await waitFor(isWaiting, { what: "the filter to fail" });
    await waitFor(() => bus.wiring.inputs[0]?.partitions.settled("0") === 200, { what: "all" });
    const even = Array.from({ length: 100 }, (_, i) => String(2 * i + 2));
    expect(puts.map(({ letters }) => letters)).toEqual([even, even]);
    // At most the one before the first of them.
    expect(puts.filter(({ settled }) => settled !== null && settled !== 1)).toEqual([]);
    expect(own.deadLetters.list().map(({ position }) => position)).toEqual(even);
    expect(bus.admin.stat().filters[0]?.failed).toBe(100);
    const odd = Array.from({ length: 100 }, (_, i) => 2 * i + 1);
    // The others behind that one may have come twice, each time in order.
    expect(written.slice(1 - odd.length)).toEqual(odd.slice(1));
    expect([...new Set(written)]).toEqual(odd);
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

  test("and names the partition too where an input has several, as with topics", async () => {
    const topics = inputOf(async ({ emit }) => {
      await emit(numbered(1, 1), { partition: "orders/2" });
    });
    const given = { ...entries("block"), inputs: [inputEntry("in", topics)] };
    const bus = await start(given);
    await waitFor(() => actorAt(bus, "filters/f")?.state === "backoff", { what: "the stop" });
    expect(actorAt(bus, "filters/f")?.lastError?.message).toStartWith(
      "it does not go on at orders/2 1: the expression failed:",
    );
  });
});

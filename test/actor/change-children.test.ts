import { describe, expect, test } from "bun:test";
import { behaviour, defineActor, type Message } from "#src/actor/actor.ts";
import type { ChildChange, SupervisorSpec, WorkerSpec } from "#src/actor/child-spec.ts";
import { createSystem } from "#src/actor/system.ts";
import { DbusError } from "#src/errors.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { waitFor } from "../support/wait-for.ts";

type Probe = Message & { readonly kind: "note" | "crash" };

/** What happened, in order: `+a1` a started under its first spec, `-a1` stopped, `a1:note` received. */
function setUp() {
  const events: string[] = [];
  const clock = createManualClock();
  const worker = (id: string, version = 1): WorkerSpec => {
    const name = `${id}${version}`;
    const actor = defineActor<null, null, Probe>({
      name,
      init() {
        events.push(`+${name}`);
        return null;
      },
      receive(_, message, self) {
        if (message.kind === "crash") self.fail(new DbusError("OUTPUT_REJECTED", "as told"));
        else events.push(`${name}:${message.kind}`);
        return undefined;
      },
      stop: () => void events.push(`-${name}`),
    });
    const made = behaviour(actor, null);
    return { kind: "worker", id, restart: "permanent", shutdownMs: 1000, behaviour: made };
  };
  const limits = { intensity: 3, periodMs: 10_000, why: "for the test" };
  const backoff = { minMs: 100, maxMs: 1000, randomFactor: 0 };
  const of = (id: string, children: SupervisorSpec["children"]): SupervisorSpec => ({
    ...{ kind: "supervisor", id, strategy: "one_for_one", ...limits, backoff, children },
  });
  const system = createSystem(of("root", [of("group", [worker("a"), worker("b")])]), { clock });
  const change = (some: Partial<ChildChange>) =>
    system.change("root/group", { remove: [], replace: [], add: [], ...some });
  const group = () => system.status().children[0]?.children ?? [];
  const states = () =>
    group().map(({ path, state, restarts }) => [path.slice(11), state, restarts]);
  const tell = (id: string, kind: Probe["kind"]) =>
    system.ref<Probe>(`root/group/${id}`).signal({ kind });
  return { clock, system, events, worker, change, states, tell };
}

describe("other children for a supervisor that runs", () => {
  test("what goes or changes ends before anything starts, and the others notice nothing", async () => {
    const { system, events, worker, change, states, tell } = setUp();
    await system.start();
    tell("b", "note");
    events.length = 0;
    await change({ remove: ["a"], replace: [worker("b", 2)], add: [worker("c")] });
    expect(events.toSorted((x, y) => Number(x[0] === "+") - Number(y[0] === "+"))).toEqual(events);
    expect(events).toEqual(expect.arrayContaining(["-a1", "-b1", "+b2", "+c1"]));
    expect(states()).toEqual([
      ["b", "running", 1],
      ["c", "running", 0],
    ]);
    expect(() => system.ref("root/group/a")).toThrow("no actor at root/group/a");
    await system.stop();
  });

  test("mail and ref outlive the change", async () => {
    const { system, events, worker, change, tell } = setUp();
    await system.start();
    const ref = system.ref<Probe>("root/group/a");
    const done = change({ replace: [worker("a", 2)] });
    tell("a", "note");
    await done;
    ref.signal({ kind: "note" });
    await waitFor(() => events.filter((one) => one.endsWith(":note")).length === 2, {
      what: "mail",
    });
    expect(events.at(-1)).toBe("a2:note");
    await system.stop();
  });

  test("one that waits in its backoff starts at once, and the old failure is nothing to it", async () => {
    const { system, clock, events, worker, change, states, tell } = setUp();
    await system.start();
    tell("a", "crash");
    await waitFor(() => states()[0]?.[1] === "backoff", { what: "a waits for a person" });
    await change({ replace: [worker("a", 2)] });
    expect(states()[0]).toEqual(["a", "running", 1]);
    clock.advance(600_000);
    await change({});
    expect(states()[0]).toEqual(["a", "running", 1]);
    expect(events.filter((one) => one.startsWith("+a"))).toEqual(["+a1", "+a2"]);
    await system.stop();
  });

  test("while it does not run nothing starts; it starts with what it has then", async () => {
    const { system, events, worker, change, states } = setUp();
    await change({ remove: ["a"], add: [worker("c")] });
    expect(events).toEqual([]);
    await system.start();
    expect(states().map(([id]) => id)).toEqual(["b", "c"]);
    await system.stop();
    await change({ replace: [worker("b", 2)] });
    expect(events).toEqual(["+b1", "+c1", "-c1", "-b1"]);
    expect(() => system.change("root/nobody", { remove: [], replace: [], add: [] })).toThrow(
      "no supervisor at root/nobody",
    );
  });
});

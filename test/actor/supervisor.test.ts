import { describe, expect, test } from "bun:test";
import { behaviour, defineActor, type Message } from "#src/actor/actor.ts";
import type { ChildSpec, Strategy, SupervisorSpec, WorkerSpec } from "#src/actor/child-spec.ts";
import { createSystem, type System } from "#src/actor/system.ts";
import { DbusError, type ErrorCode } from "#src/errors.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { waitFor } from "../support/wait-for.ts";

type Probe = Message & { readonly kind: "note" | "crash"; readonly code?: ErrorCode };

/** What happened in the tree, in order: `+a` started, `-a` stopped, `a:x` received. */
type Events = string[];

function worker(id: string, events: Events, more: Partial<ChildSpec> = {}): ChildSpec {
  const actor = defineActor<null, null, Probe>({
    name: id,
    init() {
      events.push(`+${id}`);
      return null;
    },
    receive(_, message, self) {
      if (message.kind === "crash") {
        self.fail(new DbusError(message.code ?? "INTERNAL", "as told"));
        return undefined;
      }
      events.push(`${id}:${message.kind}`);
      return undefined;
    },
    stop() {
      events.push(`-${id}`);
    },
  });
  const spec = { kind: "worker", id, restart: "permanent", shutdownMs: 1000 } as const;
  return { ...spec, behaviour: behaviour(actor, null), ...more } as ChildSpec;
}

function tree(strategy: Strategy, children: readonly ChildSpec[], more = {}): SupervisorSpec {
  const backoff = { minMs: 100, maxMs: 1000, randomFactor: 0 };
  const why = "for the test";
  const limits = { intensity: 3, periodMs: 10_000, backoff, why };
  return { kind: "supervisor", id: "root", strategy, children, ...limits, ...more };
}

function setUp(spec: SupervisorSpec) {
  const clock = createManualClock();
  const system = createSystem(spec, { clock, random: () => 0 });
  return { clock, system };
}

const crash = (system: System, path: string, code: ErrorCode = "INTERNAL") =>
  system.ref<Probe>(path).signal({ kind: "crash", code });

const child = (system: System, id: string) =>
  system.status().children.find(({ path }) => path === `root/${id}`);

async function crashAndRestart(
  { system, clock }: ReturnType<typeof setUp>,
  id: string,
  code: ErrorCode = "INTERNAL",
): Promise<void> {
  const before = child(system, id)?.restarts ?? 0;
  crash(system, `root/${id}`, code);
  await waitFor(() => child(system, id)?.state === "backoff", { what: `${id} waits` });
  clock.advance(1000);
  await waitFor(() => child(system, id)?.restarts === before + 1, { what: `${id} is back` });
}

describe("supervisor", () => {
  test("starts in order and stops in reverse", async () => {
    const events: Events = [];
    const spec = tree("one_for_one", [worker("a", events), worker("b", events)]);
    const { system } = setUp(spec);
    await system.start();
    await system.stop();
    expect(events).toEqual(["+a", "+b", "-b", "-a"]);
  });

  test("one_for_one starts only the failed one again, and keeps its mail", async () => {
    const events: Events = [];
    const setup = setUp(tree("one_for_one", [worker("a", events), worker("b", events)]));
    const { system, clock } = setup;
    await system.start();
    crash(system, "root/a");
    system.ref<Probe>("root/a").send(1, { kind: "note" }, 1);
    await waitFor(() => child(system, "a")?.state === "backoff", { what: "a waits" });
    system.ref<Probe>("root/a").send(1, { kind: "note" }, 1);
    clock.advance(100);
    await waitFor(() => events.length >= 5, { what: "a is back and has its mail" });
    expect(events).toEqual(["+a", "+b", "+a", "a:note", "a:note"]);
    await system.stop();
  });

  test("waits no longer than a child wants after what passes by itself, and as ever after bugs", async () => {
    const setup = setUp(
      tree("one_for_one", [{ ...(worker("a", []) as WorkerSpec), retryMsMax: 150 }]),
    );
    const { system, clock } = setup;
    await system.start();
    const backAfter = async (ms: number, code: ErrorCode) => {
      const before = child(system, "a")?.restarts ?? 0;
      crash(system, "root/a", code);
      await waitFor(() => child(system, "a")?.state === "backoff", { what: "a waits" });
      clock.advance(ms - 1);
      expect(child(system, "a")?.state).toBe("backoff");
      clock.advance(1);
      await waitFor(() => child(system, "a")?.restarts === before + 1, { what: "a is back" });
    };
    for (const ms of [100, 150, 150, 150]) await backAfter(ms, "ES_UNREACHABLE");
    await backAfter(1_000, "INTERNAL");
    await system.stop();
  });

  test("rest_for_one stops those after the failed one in reverse and starts them in order", async () => {
    const events: Events = [];
    const children = ["a", "b", "c"].map((id) => worker(id, events));
    const setup = setUp(tree("rest_for_one", children));
    await setup.system.start();
    events.length = 0;
    setup.system.ref<Probe>("root/b").signal({ kind: "crash" });
    await waitFor(() => child(setup.system, "b")?.state === "backoff", { what: "b waits" });
    expect(events).toEqual(["-c"]);
    setup.clock.advance(100);
    await waitFor(() => events.length >= 3, { what: "b and c are back" });
    expect(events).toEqual(["-c", "+b", "+c"]);
    await setup.system.stop();
  });

  test("one_for_all starts all of them again", async () => {
    const events: Events = [];
    const setup = setUp(tree("one_for_all", [worker("a", events), worker("b", events)]));
    await setup.system.start();
    events.length = 0;
    crash(setup.system, "root/b");
    await waitFor(() => child(setup.system, "b")?.state === "backoff", { what: "b waits" });
    setup.clock.advance(100);
    await waitFor(() => events.length >= 3, { what: "both are back" });
    expect(events).toEqual(["-a", "+a", "+b"]);
    await setup.system.stop();
  });

  test("gives up after more bugs than the intensity, and stops its children first", async () => {
    const events: Events = [];
    const spec = tree("one_for_one", [worker("a", events), worker("b", events)], { intensity: 0 });
    const { system } = setUp(spec);
    await system.start();
    crash(system, "root/a");
    const error = await system.failed;
    expect(error.code).toBe("ACTOR_INTENSITY");
    expect(error.message).toContain("root/a");
    expect(events.at(-1)).toBe("-b");
  });

  test("an inner supervisor that gives up is started again by its own", async () => {
    const events: Events = [];
    const inner = tree("one_for_one", [worker("a", events)], { id: "inner", intensity: 0 });
    const setup = setUp(tree("one_for_one", [inner]));
    await setup.system.start();
    crash(setup.system, "root/inner/a");
    await waitFor(() => child(setup.system, "inner")?.state === "backoff", { what: "inner waits" });
    expect(child(setup.system, "inner")?.lastError?.code).toBe("ACTOR_INTENSITY");
    // Its other children did nothing wrong, so they are not kept waiting for a person.
    setup.clock.advance(1_000);
    await waitFor(() => child(setup.system, "inner")?.state === "running", { what: "it is back" });
    await setup.system.stop();
  });

  test("what is never mended is handed on up to the root", async () => {
    const inner = tree("one_for_one", [worker("a", [])], { id: "inner", intensity: 0 });
    const setup = setUp(tree("one_for_one", [inner], { intensity: 1 }));
    await setup.system.start();
    crash(setup.system, "root/inner/a");
    await waitFor(() => child(setup.system, "inner")?.state === "backoff", { what: "inner waits" });
    setup.clock.advance(1_000);
    await waitFor(() => child(setup.system, "inner")?.state === "running", { what: "it is back" });
    crash(setup.system, "root/inner/a");
    const error = await setup.system.failed;
    expect(error.code).toBe("ACTOR_INTENSITY");
    expect(error.message).toContain("root/inner failed more than 1 times");
    expect(error.message).toContain("root/inner/a failed more than 0 times");
  });

  test("a server that is away never counts towards the intensity", async () => {
    const setup = setUp(tree("one_for_one", [worker("a", [])], { intensity: 0 }));
    await setup.system.start();
    crash(setup.system, "root/a", "DAEMON_UNREACHABLE");
    await waitFor(() => child(setup.system, "a")?.state === "backoff", { what: "a waits" });
    expect(setup.system.status().state).toBe("running");
    await setup.system.stop();
  });

  test("what needs a person waits long, and wake ends the wait", async () => {
    const setup = setUp(tree("one_for_one", [worker("a", [])]));
    await setup.system.start();
    crash(setup.system, "root/a", "UNROUTED");
    await waitFor(() => child(setup.system, "a")?.state === "backoff", { what: "a waits" });
    setup.clock.advance(29_000);
    expect(child(setup.system, "a")?.state).toBe("backoff");
    expect(setup.system.wake("root/a")).toBe(true);
    await waitFor(() => child(setup.system, "a")?.restarts === 1, { what: "a is back" });
    expect(setup.system.wake("root/a")).toBe(false);
    await setup.system.stop();
  });

  test("whoever was fenced stays down", async () => {
    const setup = setUp(tree("one_for_one", [worker("a", [])]));
    await setup.system.start();
    crash(setup.system, "root/a", "STALE_EPOCH");
    await waitFor(() => child(setup.system, "a")?.state === "failed", { what: "a is down" });
    setup.clock.advance(3_600_000);
    expect(child(setup.system, "a")?.restarts).toBe(0);
    await setup.system.stop();
  });

  test("backoff doubles while it fails and starts over after a quiet period", async () => {
    const delays: (number | null)[] = [];
    const clock = createManualClock();
    const onFailure = (_: string, __: DbusError, ms: number | null) => void delays.push(ms);
    const system = createSystem(tree("one_for_one", [worker("a", [])]), {
      clock,
      random: () => 0,
      onFailure,
    });
    const setup = { clock, system };
    await system.start();
    for (let i = 0; i < 3; i++) await crashAndRestart(setup, "a", "DAEMON_UNREACHABLE");
    expect(delays).toEqual([100, 200, 400]);
    clock.advance(10_001);
    await crashAndRestart(setup, "a", "DAEMON_UNREACHABLE");
    expect(delays.at(-1)).toBe(100);
    await system.stop();
  });

  test("a message that made its actor throw is given to the next incarnation", async () => {
    const seen: string[] = [];
    const fragile = defineActor<null, { first: boolean }, Probe>({
      name: "fragile",
      init: (_, self) => ({ first: self.incarnation === 1 }),
      receive(state, message) {
        if (state.first) throw new Error("not today");
        seen.push(message.kind);
        return undefined;
      },
    });
    const spec = { kind: "worker", id: "a", restart: "permanent", shutdownMs: 500 } as const;
    const setup = setUp(tree("one_for_one", [{ ...spec, behaviour: behaviour(fragile, null) }]));
    await setup.system.start();
    setup.system.ref<Probe>("root/a").signal({ kind: "note" });
    await waitFor(() => child(setup.system, "a")?.state === "backoff", { what: "a waits" });
    setup.clock.advance(100);
    await waitFor(() => seen.length > 0, { what: "the message is given again" });
    expect(seen).toEqual(["note"]);
    await setup.system.stop();
  });

  test("a stop that never ends is cut off at its deadline", async () => {
    const stuck = defineActor<null, null, Probe>({
      name: "stuck",
      init: () => null,
      receive: () => undefined,
      stop: () => new Promise(() => {}),
    });
    const spec = { kind: "worker", id: "a", restart: "permanent", shutdownMs: 500 } as const;
    const setup = setUp(tree("one_for_one", [{ ...spec, behaviour: behaviour(stuck, null) }]));
    await setup.system.start();
    const stopped = setup.system.stop();
    await waitFor(() => setup.clock.pending > 0, { what: "the deadline runs" });
    setup.clock.advance(500);
    await stopped;
    expect(child(setup.system, "a")?.state).toBe("stopped");
  });
});

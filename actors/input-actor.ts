import { defineActor, type Self } from "#src/actor/actor.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import { type Admission, createAdmission } from "#src/flow/admission.ts";
import type { Edge } from "#src/flow/edge.ts";
import { noteLag } from "#src/flow/node-stats.ts";
import type { Json } from "#src/flow/position.ts";
import type { InputContext } from "#src/plugin/context.ts";
import { closeInTime, openInTime, withDeadline } from "#src/plugin/deadline.ts";
import { type InputContextDeps, inputContext } from "./input-context.ts";
import type { InputMessage } from "./protocol.ts";

export type InputDeps = InputContextDeps & {
  /** The edge to the router; its sender is this actor. */
  readonly edge: Edge;
  readonly stopDeadlineMs: number;
  /** Told when the source has come to its end. */
  readonly onFinished: () => void;
};

/** One run of the plugin, from `open` to the end of `run`. */
type Run = { readonly number: number; readonly abort: AbortController; ended: Promise<void> };

type State = InputDeps & {
  readonly admission: Admission;
  run: Run | undefined;
  runs: number;
  /** Attempts to begin a run: only the newest may. */
  boots: number;
  /** Whether it runs, or is about to: false while the resource is not ours. */
  active: boolean;
  stopping: boolean;
};

/**
 * Runs an input's plugin on one resource. What it emits waits for room in the partition's window;
 * a run begins only when nothing of the one before it is in flight, from its watermark.
 */
export const inputActor = defineActor<InputDeps, State, InputMessage>({
  name: "input",
  init(deps, self) {
    const { entry, partitions, edge, stats } = deps;
    const onRoom = () => self.signal({ kind: "room" });
    const admission = createAdmission({ partitions, edge, stats, onRoom });
    const none = { run: undefined, runs: 0, boots: 0, active: false, stopping: false };
    const state: State = { ...deps, ...none, admission };
    admission.setPaused(partitions.paused ?? entry.paused);
    stats.note = null;
    if (deps.tenure.owned) boot(state, self);
    else stats.state = "standby";
    return state;
  },
  receive(state, message, self) {
    switch (message.kind) {
      case "settled":
        state.edge.settled(message);
        return undefined;
      case "attached":
        state.edge.attached(message.incarnation);
        return undefined;
      case "room":
        state.admission.pump();
        return undefined;
      case "booted":
        if (message.boot === state.boots) startRun(state, self);
        return undefined;
      case "owned":
        if (state.tenure.owned && !state.active) boot(state, self);
        return undefined;
      case "release":
        void release(state, message.deadlineMs).then(message.reply.resolve, message.reply.reject);
        return undefined;
      case "disowned":
        if (!state.tenure.owned) state.partitions.former = rest(state);
        return undefined;
      case "ended":
        ended(state, message.run, message.error, self);
        return undefined;
      case "pause":
      case "resume":
        setPaused(state, message.kind === "pause");
        return undefined;
      case "reposition":
        void reposition(state, message.partition, message.position, self).then(
          message.reply.resolve,
          message.reply.reject,
        );
        return undefined;
      case "unrouted":
        self.fail(new DbusError("UNROUTED", `nothing matches the ident ${message.ident}`));
        return undefined;
      case "fenced":
        self.fail(message.error);
        return undefined;
    }
  },
  async stop(state) {
    state.stopping = true;
    const { clock, stopDeadlineMs, partitions, log, stats } = state;
    const deadline = clock.now() + stopDeadlineMs;
    const runEnded = endRun(state);
    const drained = await partitions.drained(deadline - clock.now());
    await runEnded;
    stats.state = "stopped";
    if (!drained) {
      const { inFlight } = partitions;
      const text = "not everything was acked before the deadline; it is read again next time";
      log.warn(text, { error: new DbusError("STOP_DEADLINE", text), inFlight });
    }
  },
  abandon(state) {
    state.stats.state = "backoff";
    forgetLag(state);
    state.partitions.former = endRun(state);
  },
});

/** What was true once is not repeated when nobody measures it any more. */
function forgetLag({ stats }: State): void {
  noteLag(stats, {});
}

/** Reads the checkpoints, waits for what an earlier run left in flight, then starts a run. */
function boot(state: State, self: Self<InputMessage>): void {
  const { stats, partitions, checkpoints } = state;
  stats.state = "starting";
  state.active = true;
  const boot = ++state.boots;
  self.pipe(
    (async () => {
      await partitions.former;
      await partitions.load(checkpoints);
      if (partitions.inFlight > 0) stats.note = "waiting for what is still in flight";
      await partitions.drained(Number.POSITIVE_INFINITY);
      stats.note = null;
    })(),
    () => ({ kind: "booted", boot }),
    (error) => ({ kind: "ended", run: state.runs, error: toDbusError(error) }),
  );
}

function startRun(state: State, self: Self<InputMessage>): void {
  if (state.stopping) return;
  const { entry } = state;
  const run: Run = { number: ++state.runs, abort: new AbortController(), ended: Promise.resolve() };
  state.run = run;
  state.stats.state = state.admission.paused ? "paused" : "running";
  const context = inputContext(state, state.admission, run.abort.signal);
  const work = runPlugin(state, context);
  run.ended = work.then(
    () => {},
    () => {},
  );
  self.pipe(
    work,
    () => ({ kind: "ended", run: run.number, error: undefined }),
    (error) => ({ kind: "ended", run: run.number, error: toDbusError(error) }),
  );
  state.log.info(`reading ${state.resource.label}`, { input: entry.name });
}

async function runPlugin({ entry, clock, log }: State, context: InputContext): Promise<void> {
  const { plugin, name, timeoutMs } = entry;
  const close = (opened: unknown) => plugin.close?.(opened);
  const open = () => plugin.open(context, entry.config);
  const opened = await openInTime({ clock, ms: timeoutMs, name, open, close });
  try {
    await plugin.run(opened, context);
  } finally {
    await closeInTime({ clock, log, entry }, () => close(opened));
  }
}

function ended(
  state: State,
  run: number,
  error: DbusError | undefined,
  self: Self<InputMessage>,
): void {
  if (run !== state.runs || state.stopping) return;
  if (error) {
    const isTaken = error.kind === "fatal" && state.tenure.onFailed?.(error);
    if (isTaken) void rest(state);
    else self.fail(error);
    return;
  }
  if (state.run?.abort.signal.aborted) return;
  state.run = undefined;
  state.stats.state = "finished";
  // Nothing comes after the end, so nothing can be behind it.
  forgetLag(state);
  state.log.info("the source has come to its end", { input: state.entry.name });
  state.onFinished();
}

/** For a plugin that drains until the deadline: it leaves a group then, or ends a session. */
const farewellMs = 1_000;

/**
 * Tells the plugin to come to an end and waits for it; what it had not handed over is dropped. One
 * that does not hear is left behind: nothing of what it still emits gets in.
 */
async function endRun(state: State): Promise<void> {
  const { run, clock, log, entry } = state;
  const ms = state.stopDeadlineMs + farewellMs;
  state.admission.cancel();
  run?.abort.abort();
  if (!run) return;
  try {
    await withDeadline(run.ended, { clock, ms, what: `run of ${entry.name}` });
  } catch (error) {
    log.warn("an input does not come to its end; it is left behind", { error });
  }
}

/** Reads nothing more until it is owned again; resolves when the run has ended. */
async function rest(state: State): Promise<void> {
  state.active = false;
  state.runs++;
  state.boots++;
  state.stats.state = "standby";
  state.stats.note = null;
  forgetLag(state);
  await endRun(state);
}

async function release(state: State, deadlineMs: number): Promise<void> {
  const ended = rest(state);
  state.partitions.former = ended;
  await state.partitions.drained(deadlineMs);
  await ended;
}

function setPaused(state: State, paused: boolean): void {
  const { stats } = state;
  state.partitions.paused = paused;
  state.admission.setPaused(paused);
  if (stats.state === "running" || stats.state === "paused") {
    stats.state = paused ? "paused" : "running";
  }
}

async function reposition(
  state: State,
  partition: string,
  position: Json | null,
  self: Self<InputMessage>,
): Promise<void> {
  const { entry, partitions, checkpoints, stopDeadlineMs } = state;
  if (!state.active) throw notOurs(entry.name);
  state.runs++;
  state.boots++;
  await endRun(state);
  try {
    if (!(await partitions.drained(stopDeadlineMs))) {
      const message = `${entry.name} still has ${partitions.inFlight} packets in flight`;
      const remedy = "see in dbc status which output does not take them, then try again";
      throw new DbusError("ACTOR_UNAVAILABLE", message, { remedy });
    }
    await partitions.reposition(checkpoints, partition, position);
  } finally {
    if (state.active) boot(state, self);
  }
}

function notOurs(input: string): DbusError {
  const remedy = "dbc resources says which participant reads it";
  return new DbusError("ACTOR_UNAVAILABLE", `${input} is not read by this process`, { remedy });
}

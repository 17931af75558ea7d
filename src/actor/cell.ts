import { assert } from "../assert.ts";
import { type Clock, systemClock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import type { Behaviour, Message, Ref, Reply, Self } from "./actor.ts";
import { createMailbox, type Mailbox } from "./mailbox.ts";
import { type Owner, runAs, runAsNobody } from "./owner.ts";
import type { Runnable, Scheduler } from "./scheduler.ts";
import type { Turns } from "./turns.ts";

export type CellState = "starting" | "running" | "stopping" | "stopped" | "failed";

export type CellStatus = {
  readonly state: CellState;
  readonly depth: number;
  readonly bytes: number;
  readonly handled: number;
  readonly busyMs: number;
};

/** An actor's place: its mailbox stays, its incarnations come and go. */
export type Cell = {
  readonly path: string;
  readonly ref: Ref<Message>;
  /** Starts the next incarnation. Rejects when `init` fails. */
  start(): Promise<void>;
  /** Lets the incarnation come to an orderly end, at the latest after `deadlineMs`. Never rejects. */
  stop(deadlineMs: number): Promise<void>;
  /** Takes another behaviour, from the next incarnation on. Only while none is running. */
  become(behaviour: Behaviour<Message>): void;
  /** Ends the incarnation with an error that was found outside of it; false when there is none. */
  fail(error: unknown): boolean;
  status(): CellStatus;
};

export type CellOptions = {
  readonly path: string;
  readonly behaviour: Behaviour<Message>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly turns: Turns;
  /** Told once for each incarnation that ends by itself. */
  readonly onFailed: (error: unknown) => void;
};

/** A message is at most a batch, so this many waiting ones mean a sender without credit. */
const MAILBOX_LIMIT = 1_000_000;
/** Messages of one actor before the next gets its turn. */
const TURN = 64;

type Incarnation = { self: Self<Message>; state: unknown; live: boolean; owner: Owner };

export function createCell(options: CellOptions): Cell {
  const { path, clock, scheduler, turns, onFailed } = options;
  const number = turns.number(path);
  let { behaviour } = options;
  const mailbox: Mailbox<Message> = createMailbox(MAILBOX_LIMIT);
  /** Whoever waits for an answer of the incarnation at hand. */
  const asking = new Set<Pick<Reply<unknown>, "reject">>();
  let cellState: CellState = "stopped";
  let incarnation: Incarnation | undefined;
  let incarnations = 0;
  let busy = false;
  let queued = false;
  let handled = 0;
  let busyMs = 0;

  const runnable: Runnable = {
    run() {
      queued = false;
      const began = systemClock.now();
      turns.memory[0] = number;
      const more = incarnation ? runAs(incarnation.owner, handleSome, incarnation) : false;
      turns.memory[0] = -number;
      busyMs += systemClock.now() - began;
      queued = more;
      return more;
    },
  };

  const ref: Ref<Message> = {
    path,
    signal(message) {
      mailbox.pushSignal(message);
      wake();
    },
    send(lane, message, bytes) {
      mailbox.pushData(lane, message, bytes);
      wake();
    },
    async ask<T>(message: (reply: Reply<T>) => Message) {
      if (!incarnation) throw new DbusError("ACTOR_UNAVAILABLE", `${path} is not running`);
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const asked = { resolve, reject };
      asking.add(asked);
      mailbox.pushOwn(message(asked));
      wake();
      return promise.finally(() => asking.delete(asked));
    },
  };

  function wake() {
    if (queued || busy || !mailbox.ready) return;
    if (cellState !== "running" && cellState !== "stopping") return;
    queued = true;
    scheduler.ready(runnable);
  }

  /** Handles up to `TURN` messages; true when there is more to do now. */
  function handleSome(current: Incarnation): boolean {
    for (let i = 0; i < TURN; i++) {
      if (busy || !current.live) return false;
      const message = mailbox.next();
      if (message === undefined) return false;
      try {
        const received = behaviour.receive(current.state, message, current.self);
        if (received === "hold") mailbox.hold();
        else if (received) waitFor(current, received);
        else mailbox.done();
        handled++;
      } catch (error) {
        fail(current, error);
      }
    }
    return current.live && !busy && mailbox.ready;
  }

  function waitFor(current: Incarnation, received: Promise<undefined>) {
    busy = true;
    received.then(
      () => {
        if (!current.live) return;
        busy = false;
        mailbox.done();
        wake();
      },
      (error) => fail(current, error),
    );
  }

  function fail(current: Incarnation, error: unknown) {
    if (!current.live) return;
    end(current, "failed");
    try {
      // Without a state there is nothing to give back: it has failed within its `init`.
      if (current.state !== undefined) abandon(current, error);
    } finally {
      runAsNobody(() => onFailed(error));
    }
  }

  function abandon({ owner, state }: Incarnation, error: unknown) {
    runAs(owner, (held) => behaviour.abandon(held, error), state);
  }

  function createSelf(current: Incarnation, number: number): Self<Message> {
    const signal = (message: Message, unwanted?: () => void) => {
      if (!current.live) {
        unwanted?.();
        return;
      }
      mailbox.pushOwn(message, unwanted);
      wake();
    };
    return {
      path,
      incarnation: number,
      clock,
      signal: (message) => signal(message),
      send: ref.send,
      ask: ref.ask,
      after: (ms, message) => clock.after(ms, () => signal(message)),
      pipe(work, done, failed, unwanted) {
        work.then(
          (value) => signal(done(value), () => unwanted?.(value)),
          (error) => signal(failed(error)),
        );
      },
      release(lane) {
        mailbox.release(lane);
        wake();
      },
      releaseAll() {
        mailbox.releaseAll();
        wake();
      },
      clearData: mailbox.clearData,
      fail: (error) => fail(current, error),
    };
  }

  function ownerOf(current: Incarnation): Owner {
    return {
      path,
      fail(error) {
        const { live } = current;
        fail(current, error);
        return live;
      },
    };
  }

  function end(current: Incarnation, state: CellState) {
    current.live = false;
    busy = false;
    cellState = state;
    incarnation = undefined;
    mailbox.clearOwn();
    const message = `${path} came to its end before it had answered`;
    for (const { reject } of asking) reject(new DbusError("ACTOR_UNAVAILABLE", message));
  }

  return {
    path,
    ref,
    async start() {
      incarnations++;
      const current = { state: undefined, live: true } as Incarnation;
      current.self = createSelf(current, incarnations);
      current.owner = ownerOf(current);
      cellState = "starting";
      incarnation = current;
      try {
        current.state = await runAs(current.owner, behaviour.init, current.self);
      } catch (error) {
        if (current.live) end(current, "failed");
        throw error;
      }
      if (!current.live) {
        abandon(current, undefined);
        return;
      }
      cellState = "running";
      wake();
    },
    async stop(deadlineMs) {
      const current = incarnation;
      if (current && cellState === "running") {
        cellState = "stopping";
        wake();
        const stop = async () => behaviour.stop(current.state, current.self);
        await within(clock, deadlineMs, () => runAs(current.owner, stop, undefined));
      }
      if (current?.live) end(current, "stopped");
      else cellState = "stopped";
    },
    become(other) {
      assert(incarnation === undefined, "an actor changes its behaviour between two starts");
      behaviour = other;
    },
    fail: (error) => incarnation?.owner.fail(error) ?? false,
    status: () => ({
      state: cellState,
      depth: mailbox.depth,
      bytes: mailbox.bytes,
      handled,
      busyMs,
    }),
  };
}

/** Resolves when the work has ended, well or badly, or after the deadline. */
function within(clock: Clock, deadlineMs: number, work: () => Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(deadlineMs, resolve);
    work().then(finish, finish);
    function finish() {
      timer.cancel();
      resolve();
    }
  });
}

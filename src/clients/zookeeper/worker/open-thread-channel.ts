import type { Timer } from "../../../clock.ts";
import { toDbusError } from "../../../errors.ts";
import { createJuteReader, createJuteWriter } from "../jute.ts";
import type { Heard, ZkState } from "../port.ts";
import { conclude, type ZkRequest } from "../request-queue.ts";
import {
  endError,
  finalStates,
  watching,
  type ZkChannel,
  type ZkSessionOptions,
} from "../session.ts";
import { createWatches } from "../watches.ts";
import { ZkError } from "../zk-error.ts";
import {
  BEAT,
  errorOf,
  type FromThread,
  HEARD_NOW,
  HEARD_WALL,
  memoryBytes,
  type ToThread,
} from "./messages.ts";

type Waiting = {
  readonly request: ZkRequest<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type Untimed<T> = T extends unknown ? Omit<T, "now"> : never;

const lengthBytes = 4;
/** How much later than its deadline a thread may be done with closing. */
const graceMs = 500;

/** The compiled binary has the thread's code beside its own, below the folder of both sources. */
function threadPath(): string {
  const compiled = import.meta.path.startsWith("/$bunfs/");
  if (compiled) return "/$bunfs/root/clients/zookeeper/worker/zookeeper-worker.js";
  return new URL("./zookeeper-worker.ts", import.meta.url).href;
}

export const startThread = (): Worker => new Worker(threadPath(), { smol: true });

/**
 * A session whose connection lives in a thread of its own: it is kept however long this thread is
 * busy. What is asked is encoded here and the answers are read here; the thread passes bytes on.
 * When it ends, or does nothing for as long as two sessions last, the session counts as expired.
 */
export function openThreadChannel(options: ZkSessionOptions, start = startThread): ZkChannel {
  const { address, sessionTimeoutMs, tls, digest, clock } = options;
  const memory = new BigInt64Array(new SharedArrayBuffer(memoryBytes));
  const watches = createWatches();
  const listeners = new Set<(state: ZkState) => void>();
  const waiting = new Map<number, Waiting>();
  let state: ZkState = "connecting";
  let session = 0n;
  let timeoutMs = sessionTimeoutMs;
  let connections = 0;
  let lastId = 0;
  let looking: Timer;
  let lastBeat = 0n;
  let silent = 0;
  const thread = start();

  function tell(message: Untimed<ToThread>, transfer: ArrayBuffer[] = []): void {
    thread.postMessage({ ...message, now: clock.now() } satisfies ToThread, transfer);
  }

  thread.onmessage = ({ data }: MessageEvent<FromThread>) => hear(data);
  thread.onerror = ({ message }) => ended(message);
  thread.addEventListener("close", () => ended("it ended"));
  const draws = Array.from({ length: 64 }, options.random);
  const shared = memory.buffer as SharedArrayBuffer;
  tell({ kind: "open", memory: shared, address, sessionTimeoutMs, tls, digest, draws });
  look();

  function hear(message: FromThread): void {
    if (finalStates.includes(state)) return;
    switch (message.kind) {
      case "ready":
        // The first message has waited for the thread to begin; this one tells the time better.
        tell({ kind: "time" });
        return;
      case "state":
        session = message.session;
        timeoutMs = message.timeoutMs;
        if (message.state === "connected") connections++;
        become(message.state, endError(message.state));
        return;
      case "answer": {
        const asked = take(message.id);
        if (asked) conclude(asked, message.errno, createJuteReader(Buffer.from(message.body)));
        return;
      }
      case "failed":
        take(message.id)?.reject(errorOf(message.error));
        return;
      case "event":
        watches.fire(message.event);
    }
  }

  function take(id: number): Waiting | undefined {
    const asked = waiting.get(id);
    waiting.delete(id);
    return asked;
  }

  function become(next: ZkState, error: ZkError): void {
    if (state === next || finalStates.includes(state)) return;
    state = next;
    const isFinal = finalStates.includes(next);
    if (isFinal) {
      looking.cancel();
      thread.terminate();
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    }
    for (const listener of [...listeners]) listener(next);
    if (isFinal) watches.loseAll();
  }

  /** Nobody keeps the session any more: whatever it holds may be another's at any time. */
  function ended(why: string): void {
    become("expired", new ZkError("expired", `the thread of the session is gone: ${why}`, true));
  }

  /** A thread that hangs tells of nothing, its own end included. */
  function look(): void {
    const beat = Atomics.load(memory, BEAT);
    silent = beat === lastBeat ? silent + 1 : 0;
    lastBeat = beat;
    // So many looks, not so much time: after a stop of the whole process there is one.
    if (silent > 8) ended("it does nothing");
    else looking = clock.after(Math.max(200, timeoutMs / 4), look);
  }

  function heard(): Heard | null {
    const now = Atomics.load(memory, HEARD_NOW);
    const wall = Atomics.load(memory, HEARD_WALL);
    return now === 0n ? null : { now: Number(now) / 1_000, wall: Number(wall) / 1_000 };
  }

  function ask<T>(request: ZkRequest<T>): Promise<T> {
    const { what, opcode, writes, takesErrors = [], watch } = request;
    const out = createJuteWriter();
    request.write(out);
    const body = Uint8Array.prototype.slice.call(out.frame(), lengthBytes);
    const id = ++lastId;
    return new Promise((resolve, reject) => {
      const asked = watching(request, watches) as ZkRequest<unknown>;
      waiting.set(id, { request: asked, resolve: resolve as Waiting["resolve"], reject });
      tell({
        ...{ kind: "request", id, what, opcode, writes, body },
        connection: state === "connected" ? connections : null,
        takesErrors: takesErrors === "all" ? [] : takesErrors,
        watch: watch ? { kind: watch.kind, path: watch.path } : null,
      });
    });
  }

  return {
    watches,
    get state() {
      return state;
    },
    get id() {
      return session;
    },
    get timeoutMs() {
      return timeoutMs;
    },
    get heard() {
      return heard();
    },
    onState(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async request(request) {
      if (finalStates.includes(state)) throw endError(state);
      try {
        return await ask(request);
      } catch (thrown) {
        throw toDbusError(thrown);
      }
    },
    close(deadlineMs) {
      if (finalStates.includes(state)) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = clock.after(deadlineMs + graceMs, () => become("closed", endError("closed")));
      listeners.add((next) => {
        if (!finalStates.includes(next)) return;
        timer.cancel();
        resolve();
      });
      tell({ kind: "close", deadlineMs });
      return promise;
    },
  };
}

import type { Clock, Timer } from "../../clock.ts";
import { DbusError, toDbusError } from "../../errors.ts";
import type { ZkAddress } from "./address.ts";
import { callAll } from "./call-all.ts";
import { connectZookeeper, type ZkConnection, type ZkTls } from "./connection.ts";
import { createJuteReader, createJuteWriter, type JuteReader } from "./jute.ts";
import type { Heard, ZkState } from "./port.ts";
import { opcode, readEvent, xid } from "./records.ts";
import { createRequestQueue, watchKindOf, type ZkRequest } from "./request-queue.ts";
import { createWatches, inParts, type Watches } from "./watches.ts";
import { ZkError } from "./zk-error.ts";

export type ZkSessionOptions = {
  readonly address: ZkAddress;
  /** What is asked for; the server may agree to less or more. */
  readonly sessionTimeoutMs: number;
  readonly clock: Clock;
  /** [0, 1). */
  readonly random: () => number;
  readonly tls?: ZkTls | undefined;
  /** `user:password` for digest authentication. */
  readonly digest?: string | undefined;
  /** Told whenever `heard` is another. */
  readonly onHeard?: (heard: Heard) => void;
};

/** The session behind the port. */
export type ZkChannel = {
  readonly state: ZkState;
  readonly id: bigint;
  readonly timeoutMs: number;
  readonly heard: Heard | null;
  readonly watches: Watches;
  onState(listener: (state: ZkState) => void): () => void;
  request<T>(request: ZkRequest<T>): Promise<T>;
  close(deadlineMs: number): Promise<void>;
};

export const finalStates: readonly ZkState[] = ["expired", "denied", "closed"];

/**
 * What keeps a session, in place of a ping: that a server answers by itself, also one that is cut
 * off from its leader, who ends sessions. The leader has to answer this one.
 */
const keepalive: ZkRequest<void> = {
  ...{ what: "sync /", opcode: opcode.sync, writes: false },
  write: (out) => void out.text("/"),
  read() {},
};

/**
 * Opens a session and keeps it. The leader is asked every sixth of the session's timeout, and a
 * connection left when no byte has come for a third of it, so that two thirds remain for other
 * servers: a server that is stopped or cut off is noticed long before the session can expire.
 */
export function openChannel(options: ZkSessionOptions): ZkChannel {
  const { address, clock, random } = options;
  const watches = createWatches();
  const requests = createRequestQueue(clock);
  const listeners = new Set<(state: ZkState) => void>();
  let state: ZkState = "connecting";
  let connection: ZkConnection | undefined;
  let session = 0n;
  let password: Uint8Array = new Uint8Array(16);
  let timeoutMs = options.sessionTimeoutMs;
  let lastZxid = 0n;
  let heard: Heard | null = null;
  let lastByteAt = clock.now();
  let keeping = false;
  let tick: Timer | undefined;
  let attempts = 0;
  let hosts = shuffled(address.hosts, random);

  const isFinal = () => finalStates.includes(state);

  function become(next: ZkState): void {
    if (state === next || isFinal()) return;
    state = next;
    if (isFinal()) {
      tick?.cancel();
      connection?.close();
      connection = undefined;
      requests.end(endError(next));
    }
    callAll(listeners, next);
    if (isFinal()) watches.loseAll();
  }

  async function connect(): Promise<void> {
    const at = hosts[attempts % hosts.length] as (typeof hosts)[number];
    try {
      const made = await connectZookeeper(at, {
        hello: { lastZxid, timeoutMs: options.sessionTimeoutMs, session, password },
        ...{ clock, tls: options.tls, onFrame, onClosed: disconnected },
        timeoutMs: Math.max(100, Math.round(timeoutMs / 3)),
        onHeard: () => {
          lastByteAt = clock.now();
        },
      });
      if (isFinal()) made.close();
      else welcomed(made);
    } catch (thrown) {
      retryLater(toDbusError(thrown));
    }
  }

  function welcomed(made: ZkConnection): void {
    const { welcome } = made;
    if (welcome.timeoutMs <= 0) {
      made.close();
      become("expired");
      return;
    }
    connection = made;
    ({ session, password, timeoutMs } = welcome);
    attempts = 0;
    hosts = shuffled(address.hosts, random);
    lastByteAt = clock.now();
    if (options.digest !== undefined) sendAuth(options.digest);
    sendWatches();
    become("connected");
    schedule();
    keep();
  }

  /** Asks the leader, unless it is being asked, and sends what else there is. */
  function keep(): void {
    if (!keeping) {
      keeping = true;
      const answered = () => {
        keeping = false;
      };
      requests.add(keepalive).then(answered, answered);
    }
    flush();
  }

  function retryLater(error: DbusError): void {
    if (isFinal()) return;
    attempts++;
    // All hosts at once, then a pause: it grows to a second, for a session lasts seconds only.
    const rounds = Math.floor(attempts / hosts.length);
    const atRoundEnd = attempts % hosts.length === 0;
    const pauseMs = atRoundEnd ? Math.min(1_000, 50 * 2 ** Math.min(rounds, 5)) : 0;
    // Requests wait for a connection no longer than a session lasts.
    requests.expire(timeoutMs, error);
    tick?.cancel();
    tick = clock.after(pauseMs * (0.5 + random() / 2), () => void connect());
  }

  function disconnected(error: DbusError): void {
    connection?.close();
    connection = undefined;
    requests.lost(error.message);
    become("suspended");
    retryLater(error);
  }

  /** Looks again when the leader is to be asked, or the silence is too long. */
  function schedule(): void {
    tick?.cancel();
    tick = clock.after(Math.max(10, Math.floor(timeoutMs / 6)), () => {
      if (!connection) return;
      const silence = clock.now() - lastByteAt;
      if (silence >= timeoutMs / 3) {
        const text = `${connection.where}: not a byte for ${Math.round(silence)} ms`;
        disconnected(new DbusError("ZOOKEEPER_UNREACHABLE", text));
        return;
      }
      keep();
      schedule();
    });
  }

  function sendAuth(digest: string): void {
    const out = createJuteWriter().int(xid.auth).int(opcode.auth);
    connection?.send(out.int(0).text("digest").bytes(Buffer.from(digest, "utf8")).frame());
  }

  /** Another server knows nothing of our watches; it tells at once what they have missed. */
  function sendWatches(): void {
    for (const part of inParts(watches)) {
      const out = createJuteWriter().int(xid.setWatches).int(opcode.setWatches).long(lastZxid);
      for (const kind of ["data", "exist", "child"] as const) {
        out.list(part[kind], (path) => out.text(path));
      }
      connection?.send(out.frame());
    }
  }

  function flush(): void {
    const to = connection;
    if (to) requests.sendAll((frame) => to.send(frame));
  }

  function onFrame(frame: Buffer): void {
    const from = createJuteReader(frame);
    const id = from.int();
    const zxid = from.long();
    const errno = from.int();
    if (zxid > 0n) lastZxid = zxid;
    if (id === xid.notification) notified(from);
    else if (id === xid.auth) {
      if (errno !== 0) become("denied");
    } else if (id !== xid.setWatches) {
      const sentAt = requests.answered(id, errno, from);
      if (sentAt === null) return;
      heard = sentAt;
      options.onHeard?.(sentAt);
    }
  }

  function notified(from: JuteReader): void {
    const event = readEvent(from);
    if (event) watches.fire(event);
  }

  void connect();

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
      return heard;
    },
    onState(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    request(request) {
      if (isFinal()) return Promise.reject(endError(state));
      const answer = requests.add(watching(request, watches));
      flush();
      return answer;
    },
    async close(deadlineMs) {
      if (isFinal()) return;
      if (connection) await sayGoodbye(deadlineMs);
      become("closed");
    },
  };

  function sayGoodbye(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = clock.after(deadlineMs, resolve);
      const done = () => {
        timer.cancel();
        resolve();
      };
      const goodbye = { what: "close", opcode: opcode.closeSession, writes: false };
      requests.add({ ...goodbye, write() {}, read() {} }).then(done, done);
      flush();
    });
  }
}

/** The same, and watches what it asks for as soon as its answer is there, before any event. */
export function watching<T>(request: ZkRequest<T>, watches: Watches): ZkRequest<T> {
  const { watch, read } = request;
  if (!watch) return request;
  return {
    ...request,
    read(from, errno) {
      watches.add(watchKindOf(watch, errno), watch.path, watch.watcher);
      return read(from, errno);
    },
  };
}

export function endError(state: ZkState): ZkError {
  if (state === "expired") return new ZkError("expired", "the session has expired", true);
  if (state === "denied") return new ZkError("auth_failed", "ZooKeeper refuses our credentials");
  return new ZkError("closed", "the session was closed");
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

import { createDeque, type Deque } from "../../actor/deque.ts";
import type { Clock } from "../../clock.ts";
import { DbusError, toDbusError } from "../../errors.ts";
import { createJuteWriter, type JuteReader, type JuteWriter } from "./jute.ts";
import type { Heard, ZkWatcher } from "./port.ts";
import { opcode } from "./records.ts";
import type { WatchKind } from "./watches.ts";
import { serverError, ZkError } from "./zk-error.ts";

/** A request, without the header that its frame begins with. */
export type ZkRequest<T> = {
  /** For messages, e.g. `create /a`. */
  readonly what: string;
  readonly opcode: number;
  /** Whether something may have been done when the answer is lost. */
  readonly writes: boolean;
  readonly write: (out: JuteWriter) => void;
  /** Of the answer; `errno` is not 0 only where `takesErrors` has it. */
  readonly read: (from: JuteReader, errno: number) => T;
  readonly takesErrors?: readonly number[] | "all";
  /** What is to be watched from the answer on, if `read` takes it. */
  readonly watch?: ZkWatch | undefined;
};

export type ZkWatch = {
  readonly kind: WatchKind;
  readonly path: string;
  readonly watcher: ZkWatcher;
};

/** A node that is not there can only come to be, whatever it was that should be watched. */
export function watchKindOf({ kind }: Pick<ZkWatch, "kind">, errno: number): WatchKind {
  return errno === 0 ? kind : "exist";
}

/** Requests that wait for a connection, and those that wait for their answers, both in order. */
export type RequestQueue = {
  add<T>(request: ZkRequest<T>): Promise<T>;
  /** Sends what waits for a connection. */
  sendAll(send: (frame: Uint8Array) => void): void;
  /**
   * Takes the answer to the oldest that was sent; says when that was if the leader has answered it,
   * and null if any server may have. Throws ZOOKEEPER_PROTOCOL when another one is answered.
   */
  answered(id: number, errno: number, from: JuteReader): Heard | null;
  /** The connection is gone: nobody will answer what was sent. */
  lost(why: string): void;
  /** Gives up what has waited for a connection for so long. */
  expire(ms: number, why: DbusError): void;
  /** The session is over, and everything that waits. */
  end(error: ZkError): void;
};

type Waiting = {
  readonly request: ZkRequest<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: DbusError) => void;
  readonly since: number;
};

type Sent = Waiting & { readonly id: number; readonly at: Heard };

const idMax = 0x7fffffff;

export function createRequestQueue(clock: Clock): RequestQueue {
  const unsent = createDeque<Waiting>();
  const sent = createDeque<Sent>();
  let lastId = 0;

  function encode({ request, reject }: Waiting): Uint8Array | undefined {
    const id = lastId >= idMax ? 1 : lastId + 1;
    const out = createJuteWriter().int(id).int(request.opcode);
    try {
      request.write(out);
    } catch (thrown) {
      reject(toDbusError(thrown));
      return undefined;
    }
    lastId = id;
    return out.frame();
  }

  return {
    add: (request) =>
      new Promise((resolve, reject) => {
        unsent.push({
          request: request as ZkRequest<unknown>,
          resolve: resolve as (value: unknown) => void,
          reject,
          since: clock.now(),
        });
      }),
    sendAll(send) {
      for (let one = unsent.shift(); one; one = unsent.shift()) {
        const frame = encode(one);
        if (!frame) continue;
        sent.push({ ...one, id: lastId, at: { now: clock.now(), wall: clock.wall() } });
        send(frame);
      }
    },
    answered(id, errno, from) {
      const next = sent.peek();
      if (next?.id !== id) {
        const what = `answer ${id} came where ${next?.id ?? "none"} was due`;
        throw new DbusError("ZOOKEEPER_PROTOCOL", what);
      }
      sent.shift();
      conclude(next, errno, from);
      const { writes, opcode: asked } = next.request;
      return writes || asked === opcode.sync ? next.at : null;
    },
    lost(why) {
      rejectAll(sent, ({ request: { what, writes } }) => {
        const text = `${what}: the connection was lost before the answer (${why})`;
        return new ZkError("lost", text, writes);
      });
    },
    expire(ms, why) {
      const reason = why.code === "ZOOKEEPER_TLS" ? "untrusted" : "unreachable";
      const until = clock.now() - ms;
      for (let one = unsent.peek(); one && one.since <= until; one = unsent.peek()) {
        unsent.shift();
        one.reject(new ZkError(reason, `${one.request.what}: ${why.message}`));
      }
    },
    end(error) {
      rejectAll<Waiting>(sent, () => error);
      rejectAll(unsent, () => error);
    },
  };
}

type Concluded = Pick<Waiting, "request" | "resolve" | "reject">;

/** Gives the answer to whoever waits for it. */
export function conclude(
  { request, resolve, reject }: Concluded,
  errno: number,
  from: JuteReader,
): void {
  const { takesErrors = [] } = request;
  if (errno !== 0 && takesErrors !== "all" && !takesErrors.includes(errno)) {
    reject(serverError(errno, request.what));
    return;
  }
  try {
    resolve(request.read(from, errno));
  } catch (thrown) {
    reject(toDbusError(thrown));
  }
}

function rejectAll<T extends Waiting>(queue: Deque<T>, errorOf: (waiting: T) => DbusError): void {
  for (let one = queue.shift(); one; one = queue.shift()) one.reject(errorOf(one));
}

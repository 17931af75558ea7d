import { assert } from "../assert.ts";
import { createDeque, type Deque } from "./deque.ts";

/**
 * Two kinds of mail. Signals (stop, ack, grant, results of one's own work) come first, always.
 * Data comes in lanes, one for each source partition, taken in turn; a lane that its actor holds
 * keeps its mail until it is released, and does not stop the others.
 *
 * A mailbox outlives the restarts of its actor, but for what an incarnation has told itself, which
 * would be taken for the next one's, and what was asked of it. Data is bounded by the senders' credit;
 * the limit here only turns a broken sender into an error instead of a full memory.
 */
export type Mailbox<M> = {
  readonly depth: number;
  readonly bytes: number;
  /** Whether there is something to take now. */
  readonly ready: boolean;
  pushSignal(message: M): void;
  /** A signal for this incarnation and no other; `unwanted` is called if it is never given. */
  pushOwn(message: M, unwanted?: () => void): void;
  pushData(lane: number, message: M, bytes: number): void;
  /** The next message, left in place until `done`. */
  next(): M | undefined;
  /** Takes away the message that `next` gave. */
  done(): void;
  /** Leaves the data message that `next` gave, and its lane, alone until `release`. */
  hold(): void;
  release(lane: number): void;
  releaseAll(): void;
  clearData(): void;
  /** Forgets what was for the incarnation that has ended, also what `next` gave and is not done. */
  clearOwn(): void;
};

type Item<M> = { readonly message: M; readonly bytes: number };
type Signal<M> = {
  readonly message: M;
  readonly own: boolean;
  readonly unwanted: (() => void) | undefined;
};
type Lane<M> = { readonly id: number; readonly items: Deque<Item<M>>; held: boolean };

export function createMailbox<M>(limit: number): Mailbox<M> {
  const signals = createDeque<Signal<M>>();
  const lanes = new Map<number, Lane<M>>();
  const turn = createDeque<Lane<M>>();
  let current: Lane<M> | "signal" | undefined;
  let depth = 0;
  let bytes = 0;

  /** A lane stands in `turn` exactly once while it has mail and is not held or current. */
  function enqueue(lane: Lane<M>) {
    if (lane.items.size > 0 && !lane.held) turn.push(lane);
  }

  function release(lane: Lane<M>) {
    lane.held = false;
    enqueue(lane);
  }

  return {
    get depth() {
      return depth + signals.size;
    },
    get bytes() {
      return bytes;
    },
    get ready() {
      return signals.size > 0 || turn.size > 0;
    },
    pushSignal(message) {
      signals.push({ message, own: false, unwanted: undefined });
    },
    pushOwn(message, unwanted) {
      signals.push({ message, own: true, unwanted });
    },
    pushData(id, message, size) {
      assert(depth < limit, "a mailbox is full: a sender does not keep to its credit");
      let lane = lanes.get(id);
      if (!lane) {
        lane = { id, items: createDeque(), held: false };
        lanes.set(id, lane);
      }
      lane.items.push({ message, bytes: size });
      depth++;
      bytes += size;
      if (lane.items.size === 1 && lane !== current) turn.push(lane);
    },
    next() {
      if (current === undefined) current = signals.size > 0 ? "signal" : turn.shift();
      if (current === "signal") return signals.peek()?.message;
      return current?.items.peek()?.message;
    },
    done() {
      const lane = current;
      current = undefined;
      if (lane === "signal") signals.shift();
      else if (lane) {
        const item = lane.items.shift();
        if (item) {
          depth--;
          bytes -= item.bytes;
        }
        enqueue(lane);
      }
    },
    hold() {
      assert(current !== undefined && current !== "signal", "only data can be held");
      current.held = true;
      current = undefined;
    },
    release(id) {
      const lane = lanes.get(id);
      if (lane?.held) release(lane);
    },
    releaseAll() {
      for (const lane of [...lanes.values()]) if (lane.held) release(lane);
    },
    clearData() {
      lanes.clear();
      turn.clear();
      depth = 0;
      bytes = 0;
      if (current !== "signal") current = undefined;
    },
    clearOwn() {
      const all = [...signals];
      const given = current === "signal" ? all[0] : undefined;
      if (given?.own) current = undefined;
      signals.clear();
      for (const signal of all) if (!signal.own) signals.push(signal);
      for (const signal of all) if (signal.own && signal !== given) signal.unwanted?.();
    },
  };
}

import type { Socket } from "node:net";
import { endOf, type Piece, type Stage, type Step } from "./stage.ts";

/** One direction of a connection: bytes of one socket on their way to the other. */
export type Pipe = {
  /** Toxics in the order in which they work. */
  add(stage: Stage): void;
  /** What a removed stage held back goes on at once. */
  remove(stage: Stage): void;
  /** From now on what arrives is taken and forgotten. */
  sink(): void;
  /** Ends the pipe for good, with what is still in it. */
  stop(): void;
};

export type PipeOptions = {
  readonly from: Socket;
  readonly to: Socket;
  /** What of a chunk goes on, and whether the connection is lost after it. */
  arrived(chunk: Buffer): { readonly pass: readonly Buffer[]; readonly lost: boolean };
  forwarded(bytes: number): void;
  /** What a stage or the end of the stream makes of the connection. */
  end(how: "reset" | "close"): void;
};

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** Bytes that wait in a pipe before it stops reading, so that a slow toxic slows the sender. */
const waitingMax = 1 << 20;

export function pipe({ from, to, arrived, forwarded, end }: PipeOptions): Pipe {
  const stages: Stage[] = [];
  const queue: Piece[] = [];
  let waiting = 0;
  let ended = false;
  let sinking = false;
  let stopped = false;
  let wake = () => {};

  /** Until something has changed: a byte, a stage, a timer, the sockets. */
  const change = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    return promise;
  };
  const push = (piece: Piece) => {
    if (ended || stopped) return;
    ended = piece.end !== "";
    queue.push(piece);
    waiting += piece.data.length;
    if (waiting > waitingMax) from.pause();
    wake();
  };

  async function until(at: number, stage: Stage): Promise<void> {
    while (!stopped && stages.includes(stage)) {
      const left = at - performance.now();
      if (left <= 0) return;
      const timer = setTimeout(() => wake(), Math.ceil(left));
      await change();
      clearTimeout(timer);
    }
  }

  async function deliver(piece: Piece): Promise<void> {
    while (!stopped && !sinking && stages.some((stage) => stage.holds)) await change();
    if (stopped) return;
    if (sinking) return piece.end === "" ? undefined : end("close");
    if (piece.end === "fin") return void to.end();
    if (piece.end === "reset" || to.destroyed) return end("reset");
    if (piece.data.length === 0) return;
    forwarded(piece.data.length);
    let flushed = false;
    to.write(piece.data, () => {
      flushed = true;
      wake();
    });
    while (!flushed && !to.destroyed && !stopped) await change();
  }

  async function pass(piece: Piece, chain: readonly Stage[], at: number): Promise<void> {
    const stage = chain[at];
    if (stage === undefined) return deliver(piece);
    const present = stages.includes(stage);
    const whole: readonly Step[] = [{ piece, notBefore: 0 }];
    const steps = (present && stage.pass?.(piece, performance.now())) || whole;
    for (const step of steps) {
      if (step.notBefore > 0) await until(step.notBefore, stage);
      if (step.apart && stages.includes(stage)) await turn();
      if (stopped) return;
      await pass(step.piece, chain, at + 1);
      if (step.then === undefined || stopped) continue;
      // A receiver in this process gets to read before the end overtakes what was sent.
      await turn();
      return stopped ? undefined : end(step.then);
    }
  }

  async function run(): Promise<void> {
    while (!stopped) {
      const piece = queue.shift();
      if (piece === undefined) {
        await change();
        continue;
      }
      await pass(piece, [...stages], 0);
      waiting -= piece.data.length;
      if (waiting <= waitingMax) from.resume();
      if (piece.end !== "") return;
    }
  }

  from.on("data", (chunk: Buffer) => {
    const { pass: parts, lost } = arrived(chunk);
    const arrivedAt = performance.now();
    for (const data of parts) push({ data, end: "", arrivedAt });
    if (lost) push(endOf("reset"));
  });
  from.on("end", () => push(endOf("fin")));
  from.on("close", () => push(endOf("reset")));
  to.on("close", () => wake());
  void run();

  return {
    add: (stage) => void stages.push(stage),
    remove(stage) {
      const at = stages.indexOf(stage);
      if (at >= 0) stages.splice(at, 1);
      wake();
    },
    sink() {
      sinking = true;
      wake();
    },
    stop() {
      stopped = true;
      queue.length = 0;
      wake();
    },
  };
}

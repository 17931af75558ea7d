import type { Socket } from "node:net";
import { type Bell, createBell } from "./bell.ts";
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

type Running = PipeOptions & {
  readonly bell: Bell;
  readonly stages: Stage[];
  readonly queue: Piece[];
  sinking: boolean;
  stopped: boolean;
};

/** Bytes that wait in a pipe before it stops reading, so that a slow toxic slows the sender. */
const waitingMax = 1 << 20;

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

export function pipe(options: PipeOptions): Pipe {
  const { from, to } = options;
  const bell = createBell();
  const running: Running = {
    ...options,
    ...{ bell, stages: [], queue: [], sinking: false, stopped: false },
  };
  const { stages, queue } = running;
  let waiting = 0;
  let ended = false;

  const push = (piece: Piece) => {
    if (ended || running.stopped) return;
    ended = piece.end !== "";
    queue.push(piece);
    waiting += piece.data.length;
    if (waiting > waitingMax) from.pause();
    bell.ring();
  };
  from.on("data", (chunk: Buffer) => {
    const { pass: parts, lost } = options.arrived(chunk);
    const arrivedAt = performance.now();
    for (const data of parts) push({ data, end: "", arrivedAt });
    if (lost) push(endOf("reset"));
  });
  from.on("end", () => push(endOf("fin")));
  from.on("close", () => push(endOf("reset")));
  to.on("close", () => bell.ring());
  void run(running, (piece) => {
    waiting -= piece.data.length;
    if (waiting <= waitingMax) from.resume();
  });

  return {
    add: (stage) => void stages.push(stage),
    remove(stage) {
      const at = stages.indexOf(stage);
      if (at >= 0) stages.splice(at, 1);
      bell.ring();
    },
    sink() {
      running.sinking = true;
      bell.ring();
    },
    stop() {
      running.stopped = true;
      queue.length = 0;
      bell.ring();
    },
  };
}

async function run(running: Running, done: (piece: Piece) => void): Promise<void> {
  while (!running.stopped) {
    const piece = running.queue.shift();
    if (piece === undefined) {
      await running.bell.wait();
      continue;
    }
    await pass(running, piece, [...running.stages], 0);
    done(piece);
    if (piece.end !== "") return;
  }
}

/** Takes a piece through the stages that there were when it set out, from one of them on. */
async function pass(
  running: Running,
  piece: Piece,
  chain: readonly Stage[],
  at: number,
): Promise<void> {
  const stage = chain[at];
  if (stage === undefined) return deliver(running, piece);
  const whole: readonly Step[] = [{ piece, notBefore: 0 }];
  const present = running.stages.includes(stage);
  const steps = (present && stage.pass?.(piece, performance.now())) || whole;
  for (const step of steps) {
    await until(running, step.notBefore, stage);
    if (step.apart && running.stages.includes(stage)) await turn();
    if (running.stopped) return;
    await pass(running, step.piece, chain, at + 1);
    if (step.then === undefined || running.stopped) continue;
    // A receiver in this process gets to read before the end overtakes what was sent.
    await turn();
    return running.stopped ? undefined : running.end(step.then);
  }
}

/** Waits for a time that a stage has set, as long as the stage is there. */
async function until(running: Running, time: number, stage: Stage): Promise<void> {
  while (!running.stopped && running.stages.includes(stage)) {
    const left = time - performance.now();
    if (left <= 0) return;
    await running.bell.wait(Math.ceil(left));
  }
}

async function deliver(running: Running, piece: Piece): Promise<void> {
  const { to, bell, stages } = running;
  const held = () => !running.sinking && stages.some((stage) => stage.holds);
  while (!running.stopped && held()) await bell.wait();
  if (running.stopped) return;
  if (running.sinking) return piece.end === "" ? undefined : running.end("close");
  if (piece.end === "fin") return void to.end();
  if (piece.end === "reset" || to.destroyed) return running.end("reset");
  if (piece.data.length === 0) return;
  running.forwarded(piece.data.length);
  let flushed = false;
  to.write(piece.data, () => {
    flushed = true;
    bell.ring();
  });
  while (!flushed && !to.destroyed && !running.stopped) await bell.wait();
}

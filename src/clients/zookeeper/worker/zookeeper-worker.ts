import { systemClock } from "../../../clock.ts";
import { toDbusError } from "../../../errors.ts";
import type { Heard, ZkEvent } from "../port.ts";
import { watchKindOf } from "../request-queue.ts";
import { openChannel, type ZkChannel } from "../session.ts";
import { ZkError } from "../zk-error.ts";
import {
  BEAT,
  BEAT_MS,
  type FromThread,
  HEARD_NOW,
  HEARD_WALL,
  plainError,
  type ThreadRequest,
  type ToThread,
} from "./messages.ts";

declare const self: Worker;

/*
 * The thread of a session: it has the connection, keeps it, and has the timeouts, and knows nothing of
 * what is asked but its bytes. It tells what comes in the order in which it came, each within the
 * turn in which it is known, so that an event never overtakes the answer that it follows.
 */

let channel: ZkChannel | undefined;
let memory: BigInt64Array | undefined;
let connections = 0;
/**
 * What this thread's clock is behind the opener's. Each begins with its own thread, so the opener
 * says what it has: that was earlier than we hear of it, and the largest difference is nearest to
 * the truth, and never beyond it. So nothing seems to have been heard later than it was.
 */
let behindMs = Number.NEGATIVE_INFINITY;

const tell = (message: FromThread) => self.postMessage(message);
const told = (event: ZkEvent) => tell({ kind: "event", event });

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  behindMs = Math.max(behindMs, data.now - systemClock.now());
  if (data.kind === "open") open(data);
  else if (data.kind === "request") ask(data);
  else if (data.kind === "close") void channel?.close(data.deadlineMs);
};

function open(options: Extract<ToThread, { kind: "open" }>): void {
  const { address, sessionTimeoutMs, tls, digest, draws } = options;
  let drawn = 0;
  memory = new BigInt64Array(options.memory);
  const made = openChannel({
    ...{ address, sessionTimeoutMs, tls, digest, clock: systemClock },
    random: () => draws[drawn++ % draws.length] as number,
    onHeard: write,
  });
  channel = made;
  made.onState((state) => {
    if (state === "connected") connections++;
    tell({ kind: "state", state, session: made.id, timeoutMs: made.timeoutMs });
  });
  beat();
}

function beat(): void {
  if (memory) Atomics.add(memory, BEAT, 1n);
  systemClock.after(BEAT_MS, beat);
}

/** Each number comes whole; of one that is new and one that is old, the older one counts. */
function write({ now, wall }: Heard): void {
  if (!memory) return;
  Atomics.store(memory, HEARD_NOW, BigInt(Math.floor((now + behindMs) * 1_000)));
  Atomics.store(memory, HEARD_WALL, BigInt(Math.floor(wall * 1_000)));
}

function ask({ id, connection, takesErrors, watch, body, ...request }: ThreadRequest): void {
  const failed = (thrown: unknown) =>
    tell({ kind: "failed", id, error: plainError(toDbusError(thrown)) });
  if (!channel) return;
  const sameConnection = channel.state === "connected" && connection === connections;
  if (connection !== null && !sameConnection) {
    failed(new ZkError("lost", `${request.what}: the connection was lost before it was sent`));
    return;
  }
  channel
    .request({
      ...request,
      takesErrors: "all",
      write: (out) => void out.raw(body),
      read: (from, errno) => {
        // Only what the opener takes as an answer is watched there, and so here.
        if (watch && (errno === 0 || takesErrors.includes(errno))) {
          channel?.watches.add(watchKindOf(watch, errno), watch.path, told);
        }
        tell({ kind: "answer", id, errno, body: from.rest() });
      },
    })
    .catch(failed);
}

tell({ kind: "ready" });

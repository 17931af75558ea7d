import { EventEmitter } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import net from "node:net";

type Fail = (where: string) => never;

/**
 * Where a plugin's code can throw that nobody of the bus has called, or waits for. What is thrown
 * comes from the plugin's own file.
 */
export const misdeeds = {
  timer: (fail: Fail) => void setTimeout(() => fail("timer"), 1),
  interval(fail: Fail) {
    const timer = setInterval(() => {
      clearInterval(timer);
      fail("interval");
    }, 1);
  },
  immediate: (fail: Fail) => void setImmediate(() => fail("immediate")),
  tick: (fail: Fail) => process.nextTick(() => fail("tick")),
  microtask: (fail: Fail) => queueMicrotask(() => fail("microtask")),
  emitter(fail: Fail) {
    const emitter = new EventEmitter();
    emitter.on("data", () => fail("emitter"));
    setTimeout(() => emitter.emit("data"), 1);
  },
  unheard() {
    const emitter = new EventEmitter();
    setTimeout(() => emitter.emit("error", new Error("thrown in unheard")), 1);
  },
  socket: () => void net.connect(1, "127.0.0.1"),
  rejection: (fail: Fail) => void Promise.resolve("rejection").then(fail),
  later(fail: Fail) {
    void (async () => {
      await Bun.sleep(1);
      fail("later");
    })();
  },
} as const;

export type Misdeed = keyof typeof misdeeds;

/** True the first time that it is asked for this file, in whatever process. */
export function isFirst(marker: string): boolean {
  if (existsSync(marker)) return false;
  writeFileSync(marker, "");
  return true;
}

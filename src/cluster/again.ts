import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { type Clock, sleep } from "#src/clock.ts";

const pauseMs = 50;

/**
 * Does work that looks at what is there before it changes anything, and once more for as long as
 * its answers are lost. Throws whatever else it throws, and what a session ends with.
 */
export async function again<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (!isZk(thrown, "lost", "unreachable")) throw thrown;
    }
    await sleep(clock, pauseMs);
  }
}

import type { RequestQueue } from "kafkajs/src/network/connection";
import type { Clock, Timer } from "../../../clock.ts";

const CHECK_EVERY_MS = 100;

/**
 * Makes a request queue of kafkajs measure by the monotonic clock. It compares wall clock times: one
 * that goes forward gives up requests that are on their way, and one that goes back an hour waits an
 * hour longer for an answer that was lost, or throttles as long.
 */
export function onMonotonicTime(queue: RequestQueue, clock: Clock): void {
  const sentAt = new WeakMap<object, number>();
  const send = queue.sendSocketRequest.bind(queue);
  queue.sendSocketRequest = (request) => {
    sentAt.set(request, clock.now());
    send(request);
  };

  let timer: Timer | undefined;
  queue.scheduleRequestTimeoutCheck = () => {
    timer?.cancel();
    timer = clock.after(Math.min(queue.requestTimeout, CHECK_EVERY_MS), () => {
      const now = clock.now();
      for (const request of [...queue.inflight.values()]) {
        if (now - (sentAt.get(request) ?? now) > request.requestTimeout) request.timeoutRequest();
      }
      if (queue.isConnected()) queue.scheduleRequestTimeoutCheck();
    });
  };
  const destroy = queue.destroy.bind(queue);
  queue.destroy = () => {
    timer?.cancel();
    destroy();
  };

  // kafkajs adds to and compares with the wall clock of the moment, so that is what it is told.
  let throttledUntil = Number.NEGATIVE_INFINITY;
  Object.defineProperty(queue, "throttledUntil", {
    get: () => clock.wall() + (throttledUntil - clock.now()),
    set: (until: number) => {
      throttledUntil = clock.now() + (until - clock.wall());
    },
  });
}

import { callAll } from "#src/clients/zookeeper/call-all.ts";
import type { ZkSession, ZkState } from "#src/clients/zookeeper/port.ts";
import { ZkError } from "#src/clients/zookeeper/zk-error.ts";
import type { Clock } from "#src/clock.ts";
import { createTreeServer, requestsOver } from "./tree-session.ts";

/**
 * The coordinator of a bus that runs alone: a tree in this process, to which every session is
 * always connected. So one process takes the same way as many.
 */
export function createEmbeddedCoordinator(clock: Clock): { open(): ZkSession } {
  const server = createTreeServer();
  return { open: () => openSession() };

  function openSession(): ZkSession {
    const id = server.begin();
    const listeners = new Set<(state: ZkState) => void>();
    let state: ZkState = "connecting";
    const requests = requestsOver(async (request) => {
      if (state === "closed") throw new ZkError("closed", "the session was closed");
      return server.request(id, request, clock.wall());
    });
    // As with a real one, whoever opens it has the time to listen.
    queueMicrotask(() => become("connected"));

    function become(next: ZkState): void {
      if (state === next || state === "closed") return;
      state = next;
      callAll(listeners, next);
    }

    return {
      ...requests,
      id,
      timeoutMs: Number.POSITIVE_INFINITY,
      get state() {
        return state;
      },
      get heard() {
        return { now: clock.now(), wall: clock.wall() };
      },
      onState(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      async close() {
        server.end(id);
        become("closed");
      },
    };
  }
}

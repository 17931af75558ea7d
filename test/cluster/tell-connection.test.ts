import { expect, test } from "bun:test";
import type { ZkState } from "#src/clients/zookeeper/port.ts";
import { tellConnection } from "#src/cluster/tell-connection.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { recordedLog } from "../support/recorded-log.ts";

test("that ZooKeeper is away is said once, after a while, and that it is back", () => {
  const clock = createManualClock();
  const { log, entries } = recordedLog();
  const listeners = new Set<(state: ZkState) => void>();
  const become = (state: ZkState) => {
    for (const listener of listeners) listener(state);
  };
  const session = {
    state: "connecting" as ZkState,
    onState(listener: (state: ZkState) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const abort = new AbortController();
  tellConnection(session, { clock, log }, abort.signal);
  clock.advance(10_000);
  expect(entries.map(({ level }) => level)).toEqual(["warn"]);
  become("connected");
  expect(entries.map(({ level }) => level)).toEqual(["warn", "info"]);
  become("suspended");
  clock.advance(1_000);
  become("connected");
  clock.advance(10_000);
  expect(entries).toHaveLength(2);
  become("suspended");
  abort.abort();
  clock.advance(10_000);
  expect(entries).toHaveLength(2);
  expect(listeners.size).toBe(0);
});

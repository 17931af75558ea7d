import { expect, test } from "bun:test";
import { createClusterHost } from "#actors/cluster-host.ts";
import type { InputMessage } from "#actors/protocol.ts";
import { createTenure } from "#actors/tenure.ts";
import type { Wiring } from "#actors/wiring.ts";
import type { Ref } from "#src/actor/actor.ts";
import { createClusterCheckpoints } from "#src/checkpoint/cluster-store.ts";
import { createMemoryCheckpointStore } from "#src/checkpoint/memory-store.ts";
import { systemClock } from "#src/clock.ts";
import type { ClusterNode } from "#src/cluster/node-port.ts";
import { createInputStats } from "#src/flow/node-stats.ts";
import { packetOf } from "../support/packets.ts";
import { partitionSetOf } from "../support/partition-of.ts";

const rid = "in-r-1";
const share = { cost: 1, group: null, tags: [], tenant: null, serverId: 1 << 30 };

/** A host over one input that answers nobody by itself. */
function hostOfOne() {
  const partitions = partitionSetOf("in");
  const stats = createInputStats();
  const tenure = createTenure(false);
  const messages: InputMessage[] = [];
  const signal = (one: InputMessage) => void messages.push(one);
  const ask: Ref<InputMessage>["ask"] = (message) =>
    new Promise((resolve, reject) => signal(message({ resolve, reject })));
  const ref = { path: "in", signal, send() {}, ask };
  const node = { entry: { name: "in" }, resource: { id: "r" }, partitions, stats, tenure, ref };
  const wiring = { inputs: [node], outputs: [] } as unknown as Wiring;
  const checkpoints = createClusterCheckpoints({
    ...{ local: createMemoryCheckpointStore(), clock: systemClock, isShared: () => true },
    commit: async () => {},
  });
  const host = createClusterHost({
    ...{ wiring, clock: systemClock, checkpoints, openMs: 60_000 },
    node: () => ({ mayEmit: true }) as ClusterNode,
  });
  const record = { input: "in", resource: "r", ...share };
  async function open(fence: number) {
    const opened = host.open({ rid, fence, record } as Parameters<typeof host.open>[0], null);
    await Promise.resolve();
    await Promise.resolve();
    tenure.onAlive?.();
    await opened;
  }
  /** Lets one packet in, and settles it. */
  function deliver(n: number) {
    const { ledger } = partitions.get("0");
    const first = ledger.admit([packetOf("in", n)], 0, 1);
    return () => ledger.settle(first, 0);
  }
  return { host, open, deliver, partitions, messages, tenure };
}

test("what is given back is committed where it had come to, and reads no more", async () => {
  const { host, open, deliver, messages, tenure, partitions } = hostOfOne();
  await open(3);
  expect(tenure.owned).toBe(true);
  deliver(1)();
  const closed = host.close(rid, 1_000);
  const [, release] = messages;
  if (release?.kind !== "release") throw new Error("it was not told to end");
  release.reply.resolve();
  await closed;
  expect(host.positions(rid)).toEqual({ "0": "1" });
  expect([tenure.owned, partitions.fenced]).toEqual([false, true]);
});

test("the right is lost while it drains: what is in flight is fenced in that turn, and not committed", async () => {
  const { host, open, deliver, messages, partitions } = hostOfOne();
  await open(3);
  const settle = deliver(1);
  const closed = host.close(rid, 1_000);
  expect(partitions.fenced).toBe(false);
  host.fence(rid);
  expect(partitions.fenced).toBe(true);
  settle();
  const release = messages.find(({ kind }) => kind === "release");
  if (release?.kind === "release") release.reply.resolve();
  await closed;
  expect(host.positions(rid)).toEqual({});
});

test("one that is given again has a new right: the old one stays fenced", async () => {
  const { host, open, partitions } = hostOfOne();
  await open(3);
  const old = partitions.get("0");
  host.fence(rid);
  await open(5);
  expect([old.right.fenced, partitions.fenced, partitions.get("0").fence]).toEqual([
    true,
    false,
    5,
  ]);
});

import { type EpochMemory, memoryOfEpoch } from "#src/cluster/identity.ts";
import { createMemoryLocalLog, type LocalLog } from "#src/cluster/local-log.ts";
import { startClusterNode } from "#src/cluster/node.ts";
import type { ClusterNode, NodeSettings } from "#src/cluster/node-port.ts";
import {
  assignSchema,
  checkpointSchema,
  decisionSchema,
  decode,
  epochSchema,
  type ResourceRecord,
} from "#src/cluster/records.ts";
import type { ResourceHost } from "#src/cluster/resource-host.ts";
import { DbusError } from "#src/errors.ts";
import { silentLog } from "#src/log.ts";
import type { Random } from "../../support/random.ts";
import {
  createProcessClock,
  createSimClock,
  type ProcessClock,
  type SimClock,
} from "./sim-clock.ts";
import { createSimZookeeper, type SimZookeeper } from "./sim-zookeeper.ts";

export const sessionTimeoutMs = 4_000;

/** What was done wrong, with the moment; empty in a world that keeps its promises. */
export type Violation = { readonly at: number; readonly what: string };

export type SimProcess = {
  readonly pid: string;
  readonly memory: EpochMemory;
  /** Like the memory of epochs it outlives a crash. */
  readonly localLog: LocalLog;
  clock: ProcessClock;
  node: ClusterNode | undefined;
  session: bigint;
  /** Whether it reaches ZooKeeper, and the other processes. */
  network: boolean;
  stopped: boolean;
  draining: boolean;
};

export type SimWorld = {
  readonly clock: SimClock;
  readonly zookeeper: SimZookeeper;
  readonly processes: readonly SimProcess[];
  readonly violations: Violation[];
  /** Rows that were emitted, by resource. */
  readonly emitted: ReadonlyMap<string, number>;
  readonly decisions: number;
  /** Whether resources sometimes cannot be opened, or fail when they are open. */
  faulty: boolean;
  /** How often each resource was opened. */
  readonly opened: ReadonlyMap<string, number>;
  start(process: SimProcess): void;
  crash(process: SimProcess): void;
  /** Resources that nobody reads, or not the one that is to. */
  unread(): readonly string[];
  /** Lets everything happen up to that moment. */
  run(until: number): Promise<void>;
};

export type WorldOptions = {
  readonly random: Random;
  readonly processes: number;
  readonly resources: number;
  readonly settings?: Partial<NodeSettings>;
  /** Resources that can be opened by everybody, and fail so many ms later: by their inputs. */
  readonly failing?: { readonly input: string; readonly afterMs: number };
};

const settings: NodeSettings = {
  ...{ drainMs: 300, commitEveryMs: 400, reconcileEveryMs: 2_500, lookAfterMs: 10 },
  calmAfterMs: 1_000,
  ...{ debounceMs: 50, claimTimeoutMs: 8_000, closeTimeoutMs: 8_000, quarantineAfter: 3 },
  ...{ onCoordinatorLost: "auto", promiseMs: 2_000 },
};

export function createWorld(options: WorldOptions): SimWorld {
  const { random } = options;
  const clock = createSimClock();
  const zookeeper = createSimZookeeper(clock, random, sessionTimeoutMs);
  const violations: Violation[] = [];
  const emitted = new Map<string, number>();
  /** Who emitted last, under which fence. */
  const emitters = new Map<string, { pid: string; fence: number }>();
  const committed = new Map<string, { seq: number; position: number }>();
  const running = new Map<string, Set<string>>();
  const opened = new Map<string, number>();
  let lastGen = 0;
  let lastEpoch = 0;
  let decisions = 0;
  let ids = 0;

  const violated = (what: string) => void violations.push({ at: clock.now, what });
  const resources = Array.from({ length: options.resources }, (_, n): ResourceRecord => {
    const group = n % 7 === 3 ? "g" : null;
    return { input: `in${n}`, resource: "r", cost: 1 + (n % 3), group, tags: [], tenant: null };
  });

  zookeeper.onWrite = (session, { operations }) => {
    for (const operation of operations) {
      if (operation.kind !== "set" && operation.kind !== "create") continue;
      const { path, data } = operation;
      if (path.startsWith("/ckpt/")) checkCommit(session, path.slice(6), data);
      if (path === "/decision") checkDecision(data);
      if (path === "/leader_epoch") {
        const { epoch } = decode(epochSchema, data, path);
        if (epoch < lastEpoch) violated(`the epoch went back from ${lastEpoch} to ${epoch}`);
        lastEpoch = epoch;
      }
    }
  };

  /** No commit by anyone but the holder of the newest fence, and no watermark goes back. */
  function checkCommit(session: bigint, rid: string, data: Uint8Array): void {
    const { tree } = zookeeper.server;
    const assign = tree.get(`/assign/${rid}`);
    const record = decode(checkpointSchema, data, rid);
    const owner = assign && decode(assignSchema, assign.data, rid).owner;
    const writer = processes.find((one) => one.session === session);
    if (record.fence !== assign?.stat.version) {
      violated(`${rid} was committed under fence ${record.fence}, it is ${assign?.stat.version}`);
    }
    if (writer && owner !== writer.pid) violated(`${rid} of ${owner} committed by ${writer.pid}`);
    const position = Number(record.positions["0"] ?? 0);
    const before = committed.get(rid) ?? { seq: 0, position: 0 };
    if (record.seq <= before.seq || position < before.position) {
      violated(`${rid} went back from ${before.position} to ${position}`);
    }
    if (position > (emitted.get(rid) ?? 0))
      violated(`${rid} was committed beyond what was emitted`);
    committed.set(rid, { seq: record.seq, position });
  }

  /** Every decision is written by the leader of its epoch, and is newer than the last. */
  function checkDecision(data: Uint8Array): void {
    const { gen, epoch } = decode(decisionSchema, data, "/decision");
    const now = zookeeper.server.tree.get("/leader_epoch");
    const current = now && decode(epochSchema, now.data, "/leader_epoch").epoch;
    if (epoch !== current) violated(`a decision of epoch ${epoch} was written in epoch ${current}`);
    if (gen <= lastGen) violated(`decision ${gen} came after ${lastGen}`);
    lastGen = gen;
    decisions++;
  }

  /** At most one emitter: who has emitted under a newer fence is not followed by an older one. */
  function emit(process: SimProcess, rid: string, fence: number, position: number): void {
    const last = emitters.get(rid);
    if (last && fence < last.fence) {
      violated(`${rid} was emitted by ${process.pid} (${fence}) after ${last.pid} (${last.fence})`);
    }
    emitters.set(rid, { pid: process.pid, fence });
    const most = emitted.get(rid) ?? 0;
    if (position > most + 1) violated(`${rid} jumped from ${most} to ${position}`);
    emitted.set(rid, Math.max(most, position));
  }

  function hostOf(process: SimProcess): ResourceHost {
    const { clock: own } = process;
    type Run = { fence: number; position: number; paused: boolean; live: boolean };
    const runs = new Map<string, Run>();
    const mine = new Set<string>();
    /** The fences under which resources are being opened: one that is gone was fenced meanwhile. */
    const opening = new Map<string, number>();
    running.set(process.pid, mine);

    function beat(rid: string, run: Run): void {
      if (!run.live || runs.get(rid) !== run) return;
      if (!run.paused && process.node?.mayEmit) emit(process, rid, run.fence, ++run.position);
      own.after(50 + random.next() * 300, () => beat(rid, run));
    }

    /** As an input does that comes to its end with an error: it rests, and says so. */
    function fail(rid: string, run: Run, code: "MYSQL_ACCESS_DENIED" | "MYSQL_UNREACHABLE"): void {
      if (!run.live || runs.get(rid) !== run) return;
      run.live = false;
      mine.delete(rid);
      process.node?.renounce(rid, new DbusError(code, "it failed when it was open"));
    }

    function end(rid: string): void {
      opening.delete(rid);
      const run = runs.get(rid);
      if (run) run.live = false;
      runs.delete(rid);
      mine.delete(rid);
    }

    return {
      open({ rid, fence, record }, checkpoint) {
        return new Promise((resolve, reject) => {
          opening.set(rid, fence);
          own.after(random.next() * 300, () => {
            if (opening.get(rid) !== fence) {
              reject(new DbusError("ACTOR_UNAVAILABLE", "it was fenced"));
              return;
            }
            opening.delete(rid);
            if (world.faulty && random.chance(0.05)) {
              reject(new DbusError("MYSQL_UNREACHABLE", "cannot be opened"));
              return;
            }
            const position = Number(checkpoint?.positions["0"] ?? 0);
            const run = { fence, position, paused: false, live: true };
            runs.set(rid, run);
            mine.add(rid);
            opened.set(rid, (opened.get(rid) ?? 0) + 1);
            beat(rid, run);
            resolve();
            if (record.input === options.failing?.input) {
              own.after(options.failing.afterMs, () => fail(rid, run, "MYSQL_ACCESS_DENIED"));
            } else if (world.faulty && random.chance(0.05)) {
              own.after(random.next() * 400, () => fail(rid, run, "MYSQL_UNREACHABLE"));
            }
          });
        });
      },
      close: (rid) =>
        new Promise((resolve) => {
          const run = runs.get(rid);
          if (run) run.paused = true;
          own.after(random.next() * 200, () => {
            const position = run?.position ?? 0;
            end(rid);
            closedAt.set(`${process.pid} ${rid}`, position);
            resolve();
          });
        }),
      fence: end,
      pause(rid) {
        const run = runs.get(rid);
        if (run) run.paused = true;
      },
      resume(rid) {
        const run = runs.get(rid);
        if (run) run.paused = false;
      },
      positions(rid) {
        const position = runs.get(rid)?.position ?? closedAt.get(`${process.pid} ${rid}`) ?? 0;
        return position > 0 ? { "0": String(position) } : {};
      },
    };
  }
  const closedAt = new Map<string, number>();

  const processes = Array.from({ length: options.processes }, (_, n): SimProcess => {
    const rest = { network: true, stopped: false, draining: false, session: 0n };
    const own = createProcessClock(clock, 1);
    const kept = { memory: memoryOfEpoch(), localLog: createMemoryLocalLog() };
    return { pid: `p${n}`, ...kept, clock: own, node: undefined, ...rest };
  });

  function start(process: SimProcess): void {
    // Clocks of real machines differ by far less than these five percent.
    process.clock = createProcessClock(clock, 0.95 + 0.1 * random.next());
    process.stopped = false;
    const { clock: own, pid, memory, localLog } = process;
    const reach = (other: SimProcess) => {
      return process.network && other.network && other.node !== undefined;
    };
    process.node = startClusterNode({
      ...{ pid, rpc: pid, memory, localLog, clock: own, resources, log: silentLog },
      profile: { weight: 1, tags: [], tenants: [], proto: [1, 1], build: "sim", configVersion: 1 },
      openSession() {
        const session = zookeeper.open(own, () => process.network && process.clock === own);
        session.onState(() => {
          if (process.clock === own) process.session = session.id;
        });
        return session;
      },
      host: hostOf(process),
      random: () => random.next(),
      newId: () => `id${++ids}`,
      settings: { ...settings, ...options.settings },
      ring(to) {
        const other = processes.find((one) => one.pid === to);
        if (other && reach(other) && !random.chance(0.1)) {
          clock.at(clock.now + random.next() * 20, () => {
            other.clock.deliver(() => other.node?.doorbell());
          });
        }
      },
      askLost: (to) =>
        new Promise((resolve, reject) => {
          own.after(1_000, () => reject(new Error("no answer")));
          const other = processes.find((one) => one.pid === to);
          if (!other || !reach(other)) return;
          const asked = other.clock;
          clock.at(clock.now + random.next() * 20, () => {
            asked.deliver(() => {
              const answer = other.node?.lost();
              if (!answer || !reach(other)) return;
              clock.at(clock.now + random.next() * 20, () => own.deliver(() => resolve(answer)));
            });
          });
        }),
    });
  }

  const world: SimWorld = {
    ...{ clock, zookeeper, processes, violations, emitted, opened, faulty: true },
    get decisions() {
      return decisions;
    },
    start,
    crash(process) {
      process.clock.kill();
      running.delete(process.pid);
      process.node = undefined;
    },
    unread() {
      const { tree } = zookeeper.server;
      const rids = tree.children("/resources") ?? [];
      const bad = rids.filter((rid) => {
        const assign = tree.get(`/assign/${rid}`);
        const { owner } = assign ? decode(assignSchema, assign.data, rid) : { owner: null };
        return owner === null || !running.get(owner)?.has(rid);
      });
      return rids.length < resources.length ? [...bad, "not registered"] : bad;
    },
    async run(until) {
      while (clock.step(until)) {
        await settle();
        if (violations.length > 0) return;
      }
    },
  };
  return world;
}

/** Lets every promise that can go on do so before time does. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

import { drainMicrotasks } from "bun:jsc";
import { memoryOfPromise, type PromiseMemory } from "#src/cluster/agreement.ts";
import { type EpochMemory, memoryOfEpoch } from "#src/cluster/identity.ts";
import { createMemoryLocalLog, type LocalLog } from "#src/cluster/local-log.ts";
import { startClusterNode } from "#src/cluster/node.ts";
import type { ClusterNode, NodeSettings } from "#src/cluster/node-port.ts";
import { assignSchema, decode, type ResourceRecord } from "#src/cluster/records.ts";
import { DbusError } from "#src/errors.ts";
import { type Log, type LogFields, silentLog } from "#src/log.ts";
import type { Random } from "../../support/random.ts";
import { type Checks, createChecks } from "./checks.ts";
import {
  createProcessClock,
  createSimClock,
  type ProcessClock,
  type SimClock,
} from "./sim-clock.ts";
import { createSimHost, type SimHost } from "./sim-host.ts";
import { createSimZookeeper, type SimZookeeper } from "./sim-zookeeper.ts";

export const sessionTimeoutMs = 4_000;

/** What was done wrong, with the moment; empty in a world that keeps its promises. */
export type Violation = { readonly at: number; readonly what: string };

export type SimProcess = {
  readonly pid: string;
  readonly memory: EpochMemory;
  readonly promised: PromiseMemory;
  /** Like the memory of epochs it outlives a crash. */
  readonly localLog: LocalLog;
  clock: ProcessClock;
  node: ClusterNode | undefined;
  host: SimHost | undefined;
  session: bigint;
  /** Whether it reaches the other processes and ZooKeeper; whether it reaches the latter. */
  network: boolean;
  zookeeper: boolean;
  /** What each way to ZooKeeper takes longer. */
  extraMs: number;
  /** It is on its way out, and comes back by itself. */
  leaving: boolean;
  /** Until when it has promised others to take nothing, in true time. */
  boundUntil: number;
};

export type SimWorld = {
  readonly clock: SimClock;
  readonly zookeeper: SimZookeeper;
  readonly processes: readonly SimProcess[];
  readonly violations: Violation[];
  readonly checks: Pick<Checks, "decisions" | "revoked">;
  /** Rows that were emitted, by resource; when the last of them was. */
  readonly emitted: ReadonlyMap<string, number>;
  readonly emittedAt: ReadonlyMap<string, number>;
  /** Whether resources sometimes cannot be opened, or fail when they are open. */
  faulty: boolean;
  /** How often each resource was opened. */
  readonly opened: ReadonlyMap<string, number>;
  /** Resources that somebody wanted to be elsewhere. */
  readonly wished: Set<string>;
  violated(what: string): void;
  start(process: SimProcess): void;
  crash(process: SimProcess): void;
  /** Somebody does by hand what no process would. */
  byHand(operations: Parameters<SimZookeeper["server"]["tree"]["apply"]>[1]): void;
  /** Resources that nobody reads, or not the one that is to. */
  unread(): readonly string[];
  /** Lets everything happen up to that moment. */
  run(until: number): Promise<void>;
};

export type WorldOptions = {
  readonly random: Random;
  readonly processes: number;
  readonly resources: number;
  readonly lostChance?: number;
  readonly settings?: Partial<NodeSettings>;
  /** Resources that can be opened by everybody, and fail so many ms later: by their inputs. */
  readonly failing?: { readonly input: string; readonly afterMs: number };
};

const settings: NodeSettings = {
  ...{ drainMs: 300, commitEveryMs: 400, reconcileEveryMs: 2_500, lookAfterMs: 10 },
  calmAfterMs: 1_000,
  ...{ debounceMs: 50, claimTimeoutMs: 8_000, closeTimeoutMs: 16_000, quarantineAfter: 3 },
  ...{ onCoordinatorLost: "auto", promiseMs: 2_000 },
};

export function createWorld(options: WorldOptions): SimWorld {
  const { random } = options;
  const clock = createSimClock();
  const zookeeper = createSimZookeeper(clock, random, {
    timeoutMs: sessionTimeoutMs,
    lostChance: options.lostChance ?? 0.004,
  });
  const { tree } = zookeeper.server;
  const violations: Violation[] = [];
  const emitted = new Map<string, number>();
  const emittedAt = new Map<string, number>();
  /** Who emitted last, under which fence. */
  const emitters = new Map<string, { pid: string; fence: number }>();
  const opened = new Map<string, number>();
  let ids = 0;

  const violated = (what: string): void => void violations.push({ at: clock.now, what });
  const resources = Array.from({ length: options.resources }, (_, n): ResourceRecord => {
    const group = n % 7 === 3 ? "g" : null;
    return { input: `in${n}`, resource: "r", cost: 1 + (n % 3), group, tags: [], tenant: null };
  });
  const processes = Array.from({ length: options.processes }, (_, n): SimProcess => {
    const own = createProcessClock(clock, 1);
    return {
      ...{
        pid: `p${n}`,
        memory: memoryOfEpoch(),
        promised: memoryOfPromise(),
        clock: own,
        node: undefined,
        host: undefined,
      },
      ...{ network: true, zookeeper: true, session: 0n, extraMs: 0, leaving: false },
      ...{ boundUntil: 0, localLog: createMemoryLocalLog() },
    };
  });
  const checks = createChecks({
    tree,
    violated,
    writerOf: (session) => processes.find((one) => one.session === session)?.pid,
    emitted: (rid) => emitted.get(rid) ?? 0,
    isBound: (session) =>
      processes.some((one) => one.session === session && clock.now < one.boundUntil),
    hasFailed: (pid, rid, fence) =>
      processes.find((one) => one.pid === pid)?.host?.hasFailed(rid, fence) === true,
  });
  zookeeper.onWrite = checks.onWrite;

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
    emittedAt.set(rid, clock.now);
  }

  /** What no log of a program that works has: an error of the program itself. */
  function logOf(pid: string): Log {
    const note = (message: string, fields?: LogFields): void => {
      const error = fields?.error;
      if (error instanceof DbusError && error.kind === "bug")
        violated(`${pid}: ${message}: ${error.message}`);
    };
    return { ...silentLog, warn: note, error: note };
  }

  function start(process: SimProcess): void {
    // Clocks of real machines differ by far less than these five percent.
    process.clock = createProcessClock(clock, 0.95 + 0.1 * random.next());
    const { clock: own, pid, memory, promised, localLog } = process;
    const reach = (other: SimProcess) => {
      return process.network && other.network && other.node !== undefined;
    };
    const host = createSimHost({
      ...{ clock: own, random },
      mayEmit: () => process.host === host && process.node?.mayEmit === true,
      emit: (rid, fence, position) => emit(process, rid, fence, position),
      fails: () => world.faulty && random.chance(0.05),
      opens(rid) {
        if (clock.now < process.boundUntil) violated(`${pid} opens ${rid} against its promise`);
      },
      opened: (rid) => void opened.set(rid, (opened.get(rid) ?? 0) + 1),
      failsLater({ input }) {
        if (input === options.failing?.input)
          return { afterMs: options.failing.afterMs, code: "MYSQL_ACCESS_DENIED" };
        const fails = world.faulty && random.chance(0.05);
        return fails ? { afterMs: random.next() * 400, code: "MYSQL_UNREACHABLE" } : undefined;
      },
      renounce: (rid, error) => process.node?.renounce(rid, error),
    });
    process.host = host;
    process.session = 0n;
    const node = startClusterNode({
      ...{
        pid,
        rpc: pid,
        memory,
        promised,
        localLog,
        clock: own,
        resources,
        host,
        log: logOf(pid),
      },
      profile: { weight: 1, tags: [], tenants: [], proto: [1, 1], build: "sim", configVersion: 1 },
      openSession() {
        const session = zookeeper.open(own, {
          reaches: () => process.network && process.zookeeper && process.clock === own,
          extraMs: () => process.extraMs,
          ended() {
            const left = [...host.running.keys()];
            if (left.length > 0) violated(`${pid} still reads ${left} without its session`);
          },
        });
        session.onState(() => {
          if (process.clock === own) process.session = session.id;
        });
        return session;
      },
      random: () => random.next(),
      newId: () => `id${++ids}`,
      settings: { ...settings, ...options.settings },
      ring(to, _rpc, gen) {
        if (gen > checks.gen) violated(`${to} was told of decision ${gen} before it was written`);
        const other = processes.find((one) => one.pid === to);
        if (other && reach(other) && !random.chance(0.1)) {
          clock.at(clock.now + random.next() * 20, () => {
            other.clock.deliver(() => other.node?.doorbell());
          });
        }
      },
      hasEnded: (rpc) =>
        new Promise((resolve) => {
          const other = processes.find((one) => one.pid === rpc);
          const refused = process.network && other?.network === true && other.node === undefined;
          own.after(refused ? 5 : 1_000, () => resolve(refused));
        }),
      askLost: (to) =>
        new Promise((resolve, reject) => {
          own.after(1_000, () => reject(new Error("no answer")));
          const other = processes.find((one) => one.pid === to);
          if (!other || !reach(other)) return;
          const asked = other.clock;
          clock.at(clock.now + random.next() * 20, () => {
            asked.deliver(() => {
              const answer = other.node?.lost();
              if (!answer) return;
              // The fastest of clocks has the shortest time.
              const bound = clock.now + (options.settings?.promiseMs ?? settings.promiseMs) / 1.05;
              if (answer.lost) other.boundUntil = Math.max(other.boundUntil, bound);
              if (!reach(other)) return;
              clock.at(clock.now + random.next() * 20, () => own.deliver(() => resolve(answer)));
            });
          });
        }),
    });
    process.node = node;
    void node.ended.then((error) => {
      if (error) violated(`${pid} has ended: ${error.message}`);
    });
  }

  const world: SimWorld = {
    ...{
      clock,
      zookeeper,
      processes,
      violations,
      checks,
      opened,
      emitted,
      emittedAt,
      faulty: true,
    },
    wished: new Set(),
    violated,
    start,
    crash(process) {
      process.clock.kill();
      process.leaving = false;
      process.node = undefined;
      process.host = undefined;
    },
    byHand: (operations) => void tree.apply(0n, operations, 0),
    unread() {
      const rids = tree.children("/resources") ?? [];
      const bad = rids.filter((rid) => {
        const assign = tree.get(`/assign/${rid}`);
        const { owner } = assign ? decode(assignSchema, assign.data, rid) : { owner: null };
        const process = processes.find(({ pid }) => pid === owner);
        const run = process?.host?.running.get(rid);
        return run?.fence !== assign?.stat.version || run?.failed === true;
      });
      return rids.length < resources.length ? [...bad, "not registered"] : bad;
    },
    run: (until) =>
      new Promise((resolve) => {
        setImmediate(() => {
          while (violations.length === 0 && clock.step(until)) {
            // Every promise that can go on does so before time does.
            drainMicrotasks();
          }
          resolve();
        });
      }),
  };
  return world;
}

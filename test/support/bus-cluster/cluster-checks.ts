import { expect } from "bun:test";
import { waitFor } from "../wait-for.ts";
import type { BusCluster } from "./bus-cluster.ts";
import { type MockSum, mockLines, mockSum } from "./mock-ledger.ts";

/*
 * What must hold of a cluster whose inputs are those of `mockConfig`, whatever is done to it.
 */

export const sumOf = ({ dir }: BusCluster, input: string): MockSum =>
  mockSum(mockLines(dir, input));

const inputsOf = ({ config }: BusCluster) => config.inputs.map(({ name }) => name);

/** Resolves when every input, or each of `only`, has so many rows more than now. */
export async function movesOn(
  cluster: BusCluster,
  rows: number,
  only: readonly string[] = inputsOf(cluster),
): Promise<void> {
  const before = new Map(only.map((name) => [name, sumOf(cluster, name).rows]));
  const has = (name: string) => sumOf(cluster, name).rows >= (before.get(name) ?? 0) + rows;
  await waitFor(() => only.every(has), {
    ...{ timeoutMs: 30_000, intervalMs: 100, what: `${rows} rows more of every input` },
  });
}

/**
 * Nothing is lost, and nobody wrote after the next owner had begun: each turn of who writes is an
 * assignment that was made. Rows that came twice are no more than `duplicatesMax` of an input. An
 * owner that is given again what nobody had in between goes back to its checkpoint, `goesBack` times.
 */
export async function nothingIsLost(
  cluster: BusCluster,
  duplicatesMax: number,
  goesBack = 0,
): Promise<void> {
  const owners = await cluster.owners();
  for (const name of inputsOf(cluster)) {
    const { beyondGap, duplicates, turns, disorder } = sumOf(cluster, name);
    const wrong = Math.max(0, disorder - goesBack);
    expect({ name, beyondGap, wrong }).toEqual({ name, beyondGap: 0, wrong: 0 });
    const changes = (owners.get(name)?.fence ?? 1) - 1;
    expect({ name, turns, least: Math.min(turns, changes) }).toEqual({ name, turns, least: turns });
    expect([name, Math.max(duplicates, duplicatesMax)]).toEqual([name, duplicatesMax]);
  }
}

/** What every look at the checkpoints must not show: one that went back. */
export type CheckpointWatch = {
  /** Looks once more, and ends it. Throws when one has gone back meanwhile. */
  end(): Promise<void>;
};

type Checkpoint = { readonly seq: number; readonly positions: Readonly<Record<string, string>> };

/** Looks at all checkpoints in ZooKeeper again and again. */
export function watchCheckpoints(cluster: BusCluster): CheckpointWatch {
  const newest = new Map<string, Checkpoint>();
  const wrong: unknown[] = [];
  let going = true;

  async function look(): Promise<void> {
    for (const [input, { rid }] of await cluster.owners()) {
      const text = await cluster.node(`/ckpt/${rid}`);
      const before = newest.get(input);
      if (text === null) {
        if (before) wrong.push({ input, before, now: null });
        continue;
      }
      const now = JSON.parse(text) as Checkpoint;
      newest.set(input, now);
      const at = ({ positions }: Checkpoint) => Number(positions["0"] ?? 0);
      if (before && (now.seq < before.seq || at(now) < at(before))) {
        wrong.push({ input, before, now });
      }
    }
  }
  const looking = (async () => {
    while (going) {
      // While ZooKeeper is away there is nothing to see.
      await look().catch(() => {});
      await Bun.sleep(100);
    }
  })();
  return {
    async end() {
      going = false;
      await looking;
      await look();
      expect(wrong).toEqual([]);
    },
  };
}

/** Who leads, by what the leader says of itself. */
export async function leaderOf(cluster: BusCluster): Promise<string> {
  const text = await waitFor(() => cluster.node("/leader"), { what: "a leader" });
  return (JSON.parse(text) as { readonly pid: string }).pid;
}

export async function epochOf(cluster: BusCluster): Promise<number> {
  return (JSON.parse((await cluster.node("/leader_epoch")) ?? "{}") as { epoch: number }).epoch;
}

/** Resolves when these share the inputs again, each with some that run. */
export async function allWork(cluster: BusCluster, pids: readonly string[]): Promise<void> {
  await waitFor(
    async () => {
      const owners = [...(await cluster.owners()).values()].map(({ owner }) => owner);
      return pids.every((pid) => owners.includes(pid));
    },
    { timeoutMs: 30_000, intervalMs: 50, what: `${pids.join(", ")} to have some each` },
  );
  await cluster.settled(pids);
}

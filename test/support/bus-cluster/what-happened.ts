import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { BusCluster } from "./bus-cluster.ts";
import { type MockLine, mockLines, mockSum } from "./mock-ledger.ts";

const logLines = 12;

/** All that is known of a cluster whose rows are not as they should be, for whoever has to find out. */
export async function whatHappened(cluster: BusCluster, deeds: readonly string[]): Promise<string> {
  const { dir } = cluster;
  const text = [...deeds];
  for (const [name, { rid, owner, fence }] of await cluster.owners()) {
    const lines = mockLines(dir, name);
    text.push(`${name}: ${JSON.stringify({ owner, fence, ...mockSum(lines) })}`);
    for (const kind of ["claim", "ckpt", "status"]) {
      text.push(`  ${kind} ${await cluster.node(`/${kind}/${rid}`)}`);
    }
    text.push(...turnsOf(lines));
  }
  for (const pid of cluster.daemons.keys()) {
    const log = join(dir, pid, "dbusd.log");
    if (!existsSync(log)) continue;
    const last = readFileSync(log, "utf8").trimEnd().split("\n").slice(-logLines);
    text.push(`${pid}:`, ...last.map((line) => `  ${line}`));
  }
  return text.join("\n");
}

/** Who wrote which rows, from when to when, in the order in which they were written. */
function turnsOf(lines: readonly MockLine[]): string[] {
  const turns: MockLine[][] = [];
  for (const line of lines) {
    const turn = turns.at(-1);
    const before = turn?.at(-1);
    if (turn && before?.by === line.by && before.n < line.n) turn.push(line);
    else turns.push([line]);
  }
  return turns.map((turn) => {
    const [first, last] = [turn[0] as MockLine, turn.at(-1) as MockLine];
    return `  ${first.by} ${timeOf(first)} to ${timeOf(last)}: rows ${first.n} to ${last.n}`;
  });
}

const timeOf = ({ at }: MockLine): string => shortTime(Number(at / 1_000_000n));

export const shortTime = (unixMs: number): string => new Date(unixMs).toISOString().slice(11, -1);

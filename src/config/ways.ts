import type { Edge } from "./compile.ts";

/** Enough to show that there is more than one. */
const waysMax = 1_000;

/** Every way that ends at a node, from its beginning, the node itself left out. */
export function waysTo(name: string, edges: readonly Edge[]): readonly (readonly string[])[] {
  const before = Map.groupBy(edges, ({ to }) => to);
  const ways: string[][] = [];
  const open: string[][] = (before.get(name) ?? []).map(({ from }) => [from]);
  for (let way = open.pop(); way && ways.length < waysMax; way = open.pop()) {
    const senders = before.get(way[0] as string);
    if (!senders) ways.push(way);
    else for (const { from } of senders) open.push([from, ...way]);
  }
  return ways;
}

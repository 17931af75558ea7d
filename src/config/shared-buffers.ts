import type { Edge } from "./compile.ts";
import type { Config, OutputEntry } from "./config.ts";
import { type AnyEntry, problemAt, type Reading } from "./entries.ts";
import type { Problem } from "./problem.ts";
import { waysTo } from "./ways.ts";

type Whole = Pick<Config, "cluster" | "inputs"> & { readonly edges: readonly Edge[] };

/**
 * What is settled on the disk of one process stays there when another one reads on: it would be
 * delivered behind what is newer, or not at all.
 */
export function sharedBuffers(
  config: Whole,
  read: readonly AnyEntry[],
  reading: Reading,
): readonly Problem[] {
  return read.flatMap((one): Problem[] => {
    if (one.kind !== "output" || one.entry.buffer.kind !== "disk") return [];
    const against = reasonAgainst(one.entry, config);
    if (!against) return [];
    return [problemAt(reading, [...one.at, "buffer", "kind"], against.message, against.remedy)];
  });
}

function reasonAgainst({ name }: OutputEntry, { cluster, inputs, edges }: Whole) {
  if (cluster) {
    return {
      message: `${name} keeps packets on this disk, which no other participant has`,
      remedy: "take buffer: {kind: memory}, or run the input of that output without a cluster",
    };
  }
  const ways = waysTo(name, edges);
  const shared = inputs.find((input) => {
    return input.plugin.shared?.(input.config) && ways.some((way) => way[0] === input.name);
  });
  if (!shared) return undefined;
  return {
    message: `${name} keeps packets on this disk, and ${shared.name} shares its partitions in a group`,
    remedy: `take buffer: {kind: memory}, or let ${shared.name} read without joining its group`,
  };
}

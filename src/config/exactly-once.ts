import type { Edge } from "./compile.ts";
import type { Config, FilterEntry, InputEntry, OutputEntry } from "./config.ts";
import { type AnyEntry, problemAt, type Reading } from "./entries.ts";
import type { Problem } from "./problem.ts";
import { waysTo } from "./ways.ts";

type Whole = Pick<Config, "inputs" | "filters"> & { readonly edges: readonly Edge[] };

/**
 * An output whose sink keeps positions leaves out what is not behind them. That loses packets, or
 * repeats them, wherever they do not come in the order of their positions, one for each: so all of
 * that is refused here and not found out later.
 */
export function unsafeExactlyOnce(
  config: Whole,
  read: readonly AnyEntry[],
  reading: Pick<Reading, "placeOf">,
): readonly Problem[] {
  return read.flatMap((one): Problem[] => {
    if (one.kind !== "output" || !one.entry.plugin.exactlyOnce?.(one.entry.config)) return [];
    return reasonsAgainst(one.entry, config).map(({ message, remedy }) => {
      const text = `${one.entry.name} cannot be exactlyOnce: ${message}`;
      return { ...problemAt(reading, one.at, text, remedy), code: "CONFIG_GRAPH" as const };
    });
  });
}

type Reason = { readonly message: string; readonly remedy: string };

const withoutIt = "or leave exactlyOnce out, for at least once";

function reasonsAgainst(output: OutputEntry, config: Whole): Reason[] {
  const reasons: Reason[] = [];
  if (output.buffer.kind === "disk") {
    const message = "a buffer on disk may hold a packet twice after a crash";
    reasons.push({ message, remedy: `take buffer: {kind: memory}, ${withoutIt}` });
  }
  const ways = waysTo(output.name, config.edges);
  for (const input of config.inputs) {
    const own = ways.filter((way) => way[0] === input.name);
    reasons.push(...againstInput(input, own));
  }
  for (const filter of config.filters) {
    if (ways.some((way) => way.includes(filter.name))) reasons.push(...againstFilter(filter));
  }
  return reasons;
}

function againstInput(input: InputEntry, ways: readonly (readonly string[])[]): Reason[] {
  if (ways.length === 0) return [];
  const { name, plugin } = input;
  if (plugin.everywhere === true || plugin.order?.(input.config) === undefined) {
    const message = `what ${name} reads cannot be told apart from what it had read before`;
    const remedy = `take an input whose positions compare, and no consumer group, ${withoutIt}`;
    return [{ message, remedy }];
  }
  if (ways.length === 1) return [];
  const both = ways.slice(0, 2).map((way) => [...way, "it"].join(" -> "));
  const message = `packets of ${name} overtake each other on several ways: ${both.join(", ")}`;
  const remedy = `narrow match so that one way is left, or make it several outputs, ${withoutIt}`;
  return [{ message, remedy }];
}

function againstFilter({ name, plugin, config }: FilterEntry): Reason[] {
  if (plugin.gather === undefined && plugin.single?.(config)) return [];
  const message = `${name} (${plugin.name}) may make several packets of one, or one of several`;
  return [{ message, remedy: `take another filter, ${withoutIt}` }];
}

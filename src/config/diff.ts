import { compileGraph } from "./compile.ts";
import type { Config, FilterEntry, InputEntry, OutputEntry } from "./config.ts";

/** What became of one entry between two configs. Names keys, never values, which may be secret. */
export type EntryChange = {
  readonly kind: "input" | "filter" | "output";
  readonly name: string;
  readonly change: "added" | "removed" | "changed";
  /** The keys of a changed entry that differ. */
  readonly keys: readonly string[];
  /** Whether its actor starts anew; one whose match changed is only given other packets. */
  readonly restarts: boolean;
};

export type ConfigDiff = {
  /** Keys that differ and are read at the start only. */
  readonly fixed: readonly string[];
  readonly changes: readonly EntryChange[];
  /**
   * Inputs of the old config whose packets take another way: what they have in flight must arrive
   * on the old one first, or a newer packet of the same key could overtake it on the new one.
   */
  readonly rerouted: readonly string[];
};

/** Compares two configs entry by entry; files, places and the order of entries do not count. */
export function diffConfigs(before: Config, after: Config): ConfigDiff {
  const sections = ["bus", "state", "admin", "log", "cluster"] as const;
  return {
    fixed: sections.flatMap((name) => differing(before[name], after[name], `${name}.`)),
    changes: [
      ...changesOf("input", before.inputs, after.inputs),
      ...changesOf("filter", before.filters, after.filters),
      ...changesOf("output", before.outputs, after.outputs),
    ],
    rerouted: reroutedInputs(before, after),
  };
}

type AnyEntry = InputEntry | FilterEntry | OutputEntry;

/** What others make use of, and not the actor of the entry: it goes on when these change. */
const known = new Set(["match", "cost", "group", "tags", "tenant"]);

function changesOf(
  kind: EntryChange["kind"],
  before: readonly AnyEntry[],
  after: readonly AnyEntry[],
): EntryChange[] {
  const old = new Map(before.map((entry) => [entry.name, entry]));
  const names = new Set(after.map(({ name }) => name));
  const changes: EntryChange[] = [];
  for (const entry of after) {
    const { name } = entry;
    const was = old.get(name);
    const keys = was ? keysThatDiffer(was, entry) : [];
    if (!was) changes.push({ kind, name, change: "added", keys, restarts: true });
    else if (keys.length > 0) {
      const restarts = keys.some((key) => !known.has(key));
      changes.push({ kind, name, change: "changed", keys, restarts });
    }
  }
  const gone = before.filter(({ name }) => !names.has(name));
  const removed = { kind, change: "removed", keys: [], restarts: false } as const;
  return [...changes, ...gone.map(({ name }) => ({ ...removed, name }))];
}

/** As people write them: the plugin's own keys stand beside the common ones. */
function keysThatDiffer(before: AnyEntry, after: AnyEntry): string[] {
  const { plugin: was, config: own, ...common } = withoutPlace(before);
  const { plugin: is, config, ...others } = withoutPlace(after);
  const contents = differing(contentsOf(before), contentsOf(after));
  const keys = [...differing(common, others), ...differing(own, config), ...contents];
  return was === is ? keys : ["plugin", ...keys];
}

/** What is in the files of an entry, by what people call it. */
function contentsOf(entry: AnyEntry): object {
  const contents = "contents" in entry ? (entry.contents ?? {}) : {};
  return Object.fromEntries(
    Object.entries(contents).map(([file, content]) => [`content of ${file}`, content]),
  );
}

/** What an entry is, without where it stands, how it is shown, and what follows from the rest. */
function withoutPlace(entry: AnyEntry): Omit<AnyEntry, "place" | "shown" | "idents"> {
  const { place: _place, shown: _shown, ...rest } = entry;
  if (!("idents" in rest)) return rest;
  const { idents: _idents, ...own } = rest;
  if (!("contents" in own)) return own;
  const { contents: _contents, ...others } = own;
  return others;
}

/** The paths of the leaves that differ, down to lists, which are compared whole. */
function differing(before: unknown, after: unknown, at = ""): string[] {
  if (Bun.deepEquals(before, after, true)) return [];
  if (!isPlain(before) || !isPlain(after)) return [at.replace(/\.$/, "")];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => differing(before[key], after[key], `${at}${key}.`));
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && Object.getPrototypeOf(value) !== null
    ? Object.getPrototypeOf(value) === Object.prototype
    : false;
}

/** One graph as sets of words: nodes are `kind:name`, since a name may move to another kind. */
type Drawing = {
  readonly ids: ReadonlyMap<string, string>;
  readonly match: ReadonlyMap<string, string>;
  readonly edges: readonly { readonly from: string; readonly to: string }[];
};

function drawingOf(config: Config): Drawing {
  const ids = new Map([
    ...config.inputs.map(({ name }) => [name, `input:${name}`] as const),
    ...config.filters.map(({ name }) => [name, `filter:${name}`] as const),
    ...config.outputs.map(({ name }) => [name, `output:${name}`] as const),
  ]);
  const id = (name: string) => ids.get(name) ?? name;
  const receivers = [...config.filters, ...config.outputs];
  const match = new Map(receivers.map((one) => [id(one.name), [...one.match].sort().join("\n")]));
  const edges = compileGraph(config).edges.map(({ from, to }) => ({ from: id(from), to: id(to) }));
  return { ids, match, edges };
}

/**
 * Edges that go or match otherwise, and new edges by which a node that was there before can be
 * reached. A new branch of new nodes alone needs nobody to wait, unless an input has two ways to
 * one of them: what is in flight on the longer one would come behind newer packets of the other.
 */
function reroutedInputs(before: Config, after: Config): string[] {
  const [old, now] = [drawingOf(before), drawingOf(after)];
  const text = ({ from, to }: Drawing["edges"][number]) => `${from}>${to}`;
  const oldEdges = new Set(old.edges.map(text));
  const newEdges = new Set(now.edges.map(text));
  const oldNodes = new Set(old.ids.values());
  const touched = new Set<string>();
  for (const edge of old.edges) {
    const same = newEdges.has(text(edge)) && old.match.get(edge.to) === now.match.get(edge.to);
    if (!same) touched.add(edge.from);
  }
  for (const edge of now.edges) {
    if (oldEdges.has(text(edge))) continue;
    if ([...reach(now.edges, edge.to)].some((node) => oldNodes.has(node))) touched.add(edge.from);
  }
  const newNodes = [...now.ids.values()].filter((node) => !oldNodes.has(node));
  return before.inputs
    .map(({ name }) => name)
    .filter((name) => {
      const from = `input:${name}`;
      if (now.ids.get(name) !== from) return true;
      const reached = [...reach(old.edges, from), ...reach(now.edges, from)];
      const ways = waysFrom(now.edges, from);
      return reached.some((node) => touched.has(node)) || newNodes.some((node) => ways(node) > 1);
    });
}

/** How many ways there are from one node to another, where 2 stands for more. No circles. */
function waysFrom(edges: Drawing["edges"], start: string): (to: string) => number {
  const into = Map.groupBy(edges, ({ to }) => to);
  const known = new Map([[start, 1]]);
  return function ways(to): number {
    const found = known.get(to);
    if (found !== undefined) return found;
    let sum = 0;
    for (const { from } of into.get(to) ?? []) sum += ways(from);
    known.set(to, Math.min(2, sum));
    return Math.min(2, sum);
  };
}

/** Every node on a way that begins at one, itself included. */
function reach(edges: Drawing["edges"], start: string): Set<string> {
  const next = Map.groupBy(edges, ({ from }) => from);
  const seen = new Set([start]);
  for (const node of seen) for (const { to } of next.get(node) ?? []) seen.add(to);
  return seen;
}

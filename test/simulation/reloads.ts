import { compileGraph } from "#src/config/compile.ts";
import type { FilterEntry, InputEntry, OutputEntry } from "#src/config/config.ts";
import type { Random } from "../support/random.ts";
import { filterEntry, inputEntry, outputEntry } from "../support/test-bus.ts";
import { bufferOf, filter, input, output, someOf } from "./topology.ts";

/** One configuration of a bus that is reloaded. Filters only match what stands before them. */
export type Shape = {
  readonly inputs: readonly InputEntry[];
  readonly filters: readonly FilterEntry[];
  readonly outputs: readonly OutputEntry[];
};

/** What is common to all shapes of one run: what was written, and how many packets there are. */
export type Workload = {
  readonly random: Random;
  readonly counts: Map<string, number>;
  /** The greatest number that each input has handed over. */
  readonly emitted: Map<string, number>;
  /** Whether sources break now and then. */
  readonly breaks: boolean;
  /** In the order of writing, by output; a name that comes back writes on. */
  readonly written: Map<string, string[]>;
  made: number;
};

export function firstShape(load: Workload): Shape {
  const { random } = load;
  let shape: Shape = { inputs: [], filters: [], outputs: [] };
  for (let i = random.int(1, 3); i > 0; i--) shape = withInput(shape, load);
  for (let i = random.int(0, 3); i > 0; i--) shape = withFilter(shape, load);
  for (let i = random.int(1, 3); i > 0; i--) shape = withOutput(shape, load);
  return shape;
}

/** One to three changes of any kind at once, as a person's edit of a file may hold them. */
export function nextShape(shape: Shape, load: Workload): Shape {
  const { random } = load;
  let next = shape;
  for (let i = random.int(1, 3); i > 0; i--) next = random.pick(edits)(next, load);
  return next;
}

type Edit = (shape: Shape, load: Workload) => Shape;

const edits: readonly Edit[] = [
  withInput,
  withFilter,
  withOutput,
  (shape, { random }) => ({ ...shape, inputs: without(shape.inputs, random, 1) }),
  (shape, { random }) => ({ ...shape, filters: without(shape.filters, random, 0) }),
  (shape, { random }) => ({ ...shape, outputs: without(shape.outputs, random, 1) }),
  (shape, load) => ({ ...shape, inputs: other(shape.inputs, load) }),
  (shape, load) => ({ ...shape, filters: other(shape.filters, load) }),
  (shape, load) => ({ ...shape, outputs: other(shape.outputs, load) }),
  matchesOther,
  otherBuffer,
];

function withInput(shape: Shape, load: Workload): Shape {
  const name = `in${load.made++}`;
  const count = load.random.int(20, 120);
  const { breaks, counts, emitted, random } = load;
  counts.set(name, count);
  const onEmit = (n: number) => emitted.set(name, Math.max(n, emitted.get(name) ?? 0));
  const made = inputEntry(name, input(name, count, [name], random, { breaks, onEmit }));
  return { ...shape, inputs: [...shape.inputs, made] };
}

function withFilter(shape: Shape, load: Workload): Shape {
  const name = `f${load.made++}`;
  const plugin = filter(load.random, ["pass", "fork", "late", "lazy"]);
  const made = filterEntry(name, plugin, someOf(identsOf(shape), load.random));
  return { ...shape, filters: [...shape.filters, made] };
}

function withOutput(shape: Shape, load: Workload): Shape {
  const name = `out${load.made++}`;
  const sink: string[] = [];
  load.written.set(name, sink);
  const match = someOf(identsOf(shape), load.random);
  const made = outputEntry(name, output(sink, load.random), match, bufferOf(load.random));
  return { ...shape, outputs: [...shape.outputs, made] };
}

const identsOf = ({ inputs, filters }: Shape): string[] =>
  [...inputs, ...filters].map(({ name }) => name);

function without<T>(all: readonly T[], random: Random, least: number): readonly T[] {
  if (all.length <= least) return all;
  const gone = random.int(0, all.length - 1);
  return all.filter((_, at) => at !== gone);
}

/** The same with another setting for one of them. */
function other<T extends object>(all: readonly T[], load: Workload): readonly T[] {
  const at = load.random.int(0, all.length - 1);
  return all.map((one, i) => (i === at ? { ...one, config: { setting: load.made++ } } : one));
}

/** A buffer on disk comes, goes, or has another size: refused while it is to go with packets in it. */
function otherBuffer(shape: Shape, { random }: Workload): Shape {
  const plain = { kind: "memory", bytesMax: random.pick([0, 64, 4096]) } as const;
  const outputs = shape.outputs.map((one) =>
    random.chance(0.5) ? { ...one, buffer: plain, ...bufferOf(random) } : one,
  );
  return { ...shape, outputs };
}

function matchesOther(shape: Shape, { random }: Workload): Shape {
  const outputs = shape.outputs.map((one) =>
    random.chance(0.5) ? { ...one, match: someOf(identsOf(shape), random) } : one,
  );
  const filters = shape.filters.map((one, i) => {
    const before = identsOf({ ...shape, filters: shape.filters.slice(0, i) });
    return random.chance(0.3) ? { ...one, match: someOf(before, random) } : one;
  });
  return { ...shape, filters, outputs };
}

/** The outputs that get what an input sends. */
export function outputsOf(shape: Shape, name: string): ReadonlySet<string> {
  const { edges } = compileGraph(shape);
  const seen = new Set<string>([name]);
  for (const node of seen) {
    for (const { from, to } of edges) if (from === node) seen.add(to);
  }
  return new Set(shape.outputs.map((one) => one.name).filter((one) => seen.has(one)));
}

import { DbusError } from "../errors.ts";

export type NewPlugin = {
  readonly kind: "input" | "filter" | "output";
  /** In kebab-case. */
  readonly name: string;
};

type File = { readonly path: string; readonly text: string };

export function isKind(text: string): text is NewPlugin["kind"] {
  return text === "input" || text === "filter" || text === "output";
}

/** `redis-stream` is `RedisStream`. */
function pascal(name: string): string {
  return name.replace(/(^|-)(\w)/g, (_, _dash, letter: string) => letter.toUpperCase());
}

function camel(name: string): string {
  const text = pascal(name);
  return text[0]?.toLowerCase() + text.slice(1);
}

/** The plugin, its test and its sample: small, complete, and passing what is asked of it. */
export function filesOf({ kind, name }: NewPlugin): readonly File[] {
  const plugin = pascal(name) + pascal(kind);
  const value = camel(name) + pascal(kind);
  const file = `${name}-${kind}`;
  return [
    { path: `plugins/${kind}/${name}/${file}.ts`, text: sources[kind](plugin, value) },
    { path: `test/plugins/${kind}/${name}/${file}.test.ts`, text: tests[kind](name, value) },
    { path: `etc/${name}.yaml`, text: samples[kind](name, plugin) },
  ];
}

/** The list of builtins with one more. Throws `USAGE` when it looks other than it should. */
export function withBuiltin(index: string, { kind, name }: NewPlugin): string {
  const list = /^export const builtins: readonly Builtin\[\] = \[\n(?: {2}.*\n)*/m;
  if (!list.test(index)) {
    throw new DbusError("USAGE", "plugins/index.ts is not as it was", {
      remedy: "add the line by hand",
    });
  }
  const path = `./${kind}/${name}/${name}-${kind}.ts`;
  const line = `  ${kind}("${pascal(name)}${pascal(kind)}", () => import("${path}")),\n`;
  return index.replace(list, (lines) => lines + line);
}

const sources = {
  input: (plugin: string, value: string) => `import { z } from "zod";
import { defineInput, sleep } from "#plugin";

const configSchema = z.strictObject({
  text: z.string().min(1).default("hello").describe("What each packet says."),
  everyMs: z.int().min(1).max(86_400_000).default(1000).describe("How often, in milliseconds."),
});

type Config = z.infer<typeof configSchema>;

/** Emits a text every now and then. The position is the number of texts so far. */
export const ${value} = defineInput<Config, Config>({
  name: "${plugin}",
  summary: "Emits a text every now and then.",
  configSchema,
  positionSchema: z.int().min(0),
  open: (_context, config) => config,
  async run({ text, everyMs }, context) {
    const { ident, clock, signal } = context;
    for (let n = Number(context.resume() ?? 0) + 1; !signal.aborted; n++) {
      const payload = { kind: "text", text } as const;
      await context.emit({ ident, payload, position: n, bytes: text.length });
      await sleep(clock, everyMs, signal);
    }
  },
});
`,
  filter: (plugin: string, value: string) => `import { z } from "zod";
import { defineFilter } from "#plugin";

const configSchema = z.strictObject({
  operations: z
    .array(z.enum(["I", "U", "D"]))
    .min(1)
    .default(["I", "U", "D"])
    .describe("Which changes of rows pass; what is no row always does."),
});

type Config = z.infer<typeof configSchema>;

/** Passes packets on under the entry's own ident. A filter never changes the packet it is given. */
export const ${value} = defineFilter<Config, Config>({
  name: "${plugin}",
  summary: "Passes only some kinds of changes.",
  configSchema,
  open: (_context, config) => config,
  apply({ operations }, packet, { ident }) {
    const { payload } = packet;
    if (payload.kind === "row" && !operations.includes(payload.op)) return null;
    return { ...packet, ident };
  },
});
`,
  output: (plugin: string, value: string) => `import { z } from "zod";
import { defineOutput } from "#plugin";

const configSchema = z.strictObject({
  logEvery: z.int().min(1).default(1000).describe("Says how many packets came, every so many."),
});

type State = { readonly logEvery: number; packets: number };

/** Counts packets and keeps none. Whoever answers undefined says that all of them are written. */
export const ${value} = defineOutput<z.infer<typeof configSchema>, State>({
  name: "${plugin}",
  summary: "Counts packets and keeps none.",
  configSchema,
  open: (_context, { logEvery }) => ({ logEvery, packets: 0 }),
  write(state, packets, { log }) {
    for (const _packet of packets) {
      if (++state.packets % state.logEvery === 0) log.info("counted", { packets: state.packets });
    }
    return undefined;
  },
});
`,
} as const;

const importsOf = (kind: NewPlugin["kind"], name: string, value: string) => {
  const file = `#plugins/${kind}/${name}/${name}-${kind}.ts`;
  return `import { ${value} } from "${file}";
import { ${kind}PluginContract } from "../../../contract/${kind}-plugin.ts";
`;
};

const tests = {
  input: (name: string, value: string) => `import { describe } from "bun:test";
${importsOf("input", name, value)}
describe("contract", () => inputPluginContract(${value}, { config: () => ({ everyMs: 1 }) }));
`,
  filter: (name: string, value: string) => `import { describe, expect, test } from "bun:test";
${importsOf("filter", name, value)}import { fakeFilterContext } from "../../../support/fake-context.ts";
import { samplePackets } from "../../../support/sample-packets.ts";

describe("contract", () =>
  filterPluginContract(${value}, { config: {}, packets: samplePackets }));

test("an operation that is not named is dropped on purpose", async () => {
  const { context } = fakeFilterContext();
  const config = ${value}.configSchema.parse({ operations: ["D"] });
  const state = await ${value}.open(context, config);
  for (const packet of samplePackets) {
    const { payload } = packet;
    const dropped = payload.kind === "row" && payload.op !== "D";
    expect((await ${value}.apply(state, packet, context)) === null).toBe(dropped);
  }
});
`,
  output: (name: string, value: string) => `import { describe } from "bun:test";
${importsOf("output", name, value)}import { samplePackets } from "../../../support/sample-packets.ts";

describe("contract", () =>
  outputPluginContract(${value}, { config: () => ({}), packets: samplePackets }));
`,
} as const;

const head = "# yaml-language-server: $schema=schema.json\n";

const samples = {
  input: (name: string, plugin: string) => `${head}inputs:
  - name: ${name}
    plugin: ${plugin}

outputs:
  - name: lines
    plugin: StreamOutput
    match: ${name}
`,
  filter: (name: string, plugin: string) => `${head}inputs:
  - name: rows
    plugin: MockInput
    payload: rows
    rate: 10

filters:
  - name: ${name}
    plugin: ${plugin}
    match: rows

outputs:
  - name: lines
    plugin: StreamOutput
    match: ${name}
`,
  output: (name: string, plugin: string) => `${head}inputs:
  - name: rows
    plugin: MockInput
    payload: rows
    rate: 10

outputs:
  - name: ${name}
    plugin: ${plugin}
    match: rows
`,
} as const;

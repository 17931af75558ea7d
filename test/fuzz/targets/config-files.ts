import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { stringify } from "yaml";
import { builtins } from "#plugins/index.ts";
import { loadConfig } from "#src/config/load.ts";
import { hasErrors, type Problem, problemsText } from "#src/config/problem.ts";
import { errorTable } from "#src/errors.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import type { Random } from "../../support/random.ts";
import { claim, type FuzzInput, type FuzzTarget } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";

const etc = join(import.meta.dir, "../../../etc");
const registry = createRegistry(builtins);

const dictionary = [
  ...["__proto__", "constructor", "prototype", "toString", "&a", "*a", "!!js/function", "<<: *a"],
  ...[
    "\n- ",
    "\n  ",
    "\n",
    "\t",
    ": ",
    "? ",
    "| \n",
    "> \n",
    "'",
    '"',
    "{",
    "}",
    "[",
    "]",
    "---\n",
  ],
  ...["${HOME}", "${", "${file:/nowhere}", "${file:", "$${A}", "%YAML 1.1\n", "\ufeff", "\u0000"],
  ...["inputs:", "outputs:", "filters:", "name: a", "plugin: MockInput", 'match: ["*"]', "bus:"],
  ...[
    "null",
    "~",
    "true",
    "1e999",
    "-0",
    "0x7f",
    ".inf",
    ".nan",
    "9007199254740993",
    "18446744073709551616",
  ],
  ...[
    "state:",
    "dir:",
    "admin:",
    "port: 0",
    "alerts:",
    "\r\n",
    "#",
    "\u2028",
    "\ud83d\ude00",
    "a".repeat(300),
  ],
];

/** Entries with fields that some plugin has, and values of any type in them. */
const fields = ["name", "plugin", "match", "batch", "port", "tables", "tls", "acks", "path", "x"];
const plugins = builtins.map(({ name }) => name);
const entry = fc.oneof(
  fc.dictionary(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 3 })),
  fc.record({
    name: fc.oneof(fc.constantFrom("a", "b", "c"), fc.string()),
    plugin: fc.oneof(fc.constantFrom(...plugins), fc.string()),
    match: fc.oneof(fc.array(fc.constantFrom("a", "b", "c", "*", "a.*")), fc.jsonValue()),
  }),
);
const section = fc.oneof(fc.array(entry, { maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }));
const whole = fc.record(
  {
    inputs: section,
    filters: section,
    outputs: section,
    bus: fc.jsonValue(),
    admin: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

export const configFiles: FuzzTarget = {
  name: "config-files",
  summary: "YAML of all kinds; loadConfig answers with problems that have places",
  growthMiBMax: 400,
  async open(corpus) {
    const samples = [
      ...readdirSync(etc)
        .filter((name) => name.endsWith(".yaml") && !name.endsWith(".test.yaml"))
        .map((name) => readFileSync(join(etc, name))),
      ...corpus.map(({ bytes }) => bytes),
    ];
    const dir = mkdtempSync(join(tmpdir(), "dbus-fuzz-config-"));
    mkdirSync(join(dir, "config"));
    const file = join(dir, "config", "c.yaml");
    return {
      generate(random) {
        const bytes = random.chance(0.3) ? generated(random) : Buffer.from(random.pick(samples));
        if (random.chance(0.1)) return { note: {}, bytes };
        return { note: {}, bytes: mutate(bytes, random, { dictionary, others: samples }) };
      },
      run: (input) => check(file, input),
      async close() {
        rmSync(dir, { recursive: true });
      },
    };
  },
};

function generated(random: Random): Buffer {
  const [value] = fc.sample(whole, { seed: random.int(0, 2 ** 31 - 1), numRuns: 1 });
  const text = random.chance(0.5) ? JSON.stringify(value, null, 1) : stringify(value);
  return Buffer.from(random.chance(0.1) ? nested(random) : text);
}

function nested(random: Random): string {
  const depth = random.pick([30, 33, 100, 1000, 20_000]);
  const [open, close] = random.pick([
    ["[", "]"],
    ["{a: ", "}"],
    ["- ", ""],
    ["? ", ""],
  ] as const);
  const body = open.repeat(depth) + (random.chance(0.5) ? close.repeat(depth) : "");
  return random.chance(0.5) ? `inputs: ${body}` : body;
}

async function check(file: string, { bytes }: FuzzInput): Promise<string> {
  writeFileSync(file, bytes);
  const { config, problems } = await loadConfig(file, { registry, env: { HOME: "h", A: "1" } });
  claim((config === null) === hasErrors(problems), "there is a config, or there are errors");
  const lines = bytes.toString().split(/\r\n|\r|\n/).length;
  for (const problem of problems) checkProblem(problem, lines);
  claim(!problemsText(problems).includes("[object Object]"), "problems are text");
  claim(Object.keys(Object.prototype).length === 0, "Object.prototype was polluted");
  claim(({} as Record<string, unknown>).x === undefined, "every object has got a key");
  if (config === null) return problems[0]?.code ?? "no code";
  checkPrototypes(config, 0);
  return "used";
}

function checkProblem({ code, place, message, remedy }: Problem, lines: number): void {
  claim(errorTable[code] !== undefined, `${code} is in the table`);
  const { line = 0, column = 0 } = place;
  const inside = line >= 1 && line <= lines + 1 && column >= 1;
  claim(inside, `${message}: ${line}:${column} is a place of ${lines} lines`);
  claim(message !== "" && remedy !== "", "a problem has a message and a remedy");
}

/** What comes out of a text is plain: no key of it became somebody's prototype. */
function checkPrototypes(value: unknown, depth: number): void {
  if (value === null || typeof value !== "object" || depth > 40) return;
  const above = Object.getPrototypeOf(value);
  const plain = above === null || above === Object.prototype || Array.isArray(value);
  if (plain) claim(!Object.hasOwn(value, "__proto__"), "a value has the key __proto__");
  if (plain) for (const part of Object.values(value)) checkPrototypes(part, depth + 1);
}

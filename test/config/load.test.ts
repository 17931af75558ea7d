import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig, requireConfig } from "#src/config/load.ts";
import type { Loaded } from "#src/config/loaded.ts";
import { problemsText } from "#src/config/problem.ts";
import { fakeRegistry } from "./fake-plugins.ts";

function load(text: string, env: Record<string, string> = {}): Promise<Loaded> {
  return loadConfig("c.yaml", { registry: fakeRegistry, text, env });
}

const least = `inputs:
  - name: in
    plugin: FakeInput
outputs:
  - name: out
    plugin: FakeOutput
    match: in
`;

test("a config of few lines gets every default", async () => {
  const { config, problems, edges } = await load(least);
  expect(problems).toEqual([]);
  expect(edges).toEqual([{ from: "in", to: "out" }]);
  expect(config).toMatchObject({
    file: "c.yaml",
    bus: {
      window: { packets: 8192, bytes: 33_554_432 },
      edge: { packets: 2048, bytes: 8_388_608 },
      onUnrouted: "drop",
      checkpointIntervalMs: 1000,
      stopDeadlineMs: 10_000,
      stuckHeadMs: 60_000,
      onFinished: "stay",
    },
    state: { dir: "./data" },
    admin: { enabled: true, host: "127.0.0.1", port: 9876 },
    log: { level: "info", format: "auto" },
    inputs: [{ name: "in", ident: "in", idents: ["in"], paused: false }],
    outputs: [
      {
        match: ["in"],
        onFailed: "deadletter",
        batch: { countMax: 1024, bytesMax: 1_048_576, lingerMs: 500 },
        retry: { times: 3, delayMs: 350, delayMsMax: 30_000 },
        config: { topic: "cdc.${db}.${tbl}", acks: "all" },
      },
    ],
  });
});

test("a section with nothing below it is the same as no section", async () => {
  const { config, problems } = await load(`bus:\nadmin:\nfilters:\n${least}`);
  expect(problems).toEqual([]);
  expect(config?.bus.onUnrouted).toBe("drop");
});

const input = (fields: string) =>
  least.replace("plugin: FakeInput", `plugin: FakeInput\n${fields}`);
const output = (fields: string) =>
  least.replace("    match: in\n", `    match: in\n    ${fields}\n`);

/** What is written, and the line, column, path, code, message and remedy that it gets. */
const wrong: readonly (readonly [string, string, string, string])[] = [
  ["an empty file", "", "1:1", "CONFIG_INVALID the file is empty | at least inputs:"],
  ["only a comment", "# nothing\n", "1:1", "CONFIG_INVALID the file is empty"],
  ["a list", "- a\n", "1:1", "CONFIG_INVALID the file is not an object"],
  ["a tab", "inputs:\n\t- name: a\n", "2:1", "CONFIG_SYNTAX a tab indents | replace the tab"],
  ["a key twice", `${least}inputs: []\n`, "8:1", "CONFIG_SYNTAX this key is here twice"],
  ["two documents", `${least}---\na: 1\n`, "8:1", "CONFIG_SYNTAX a second document"],
  ["a tag", input("    url: !!str x"), "4:16", "CONFIG_SYNTAX tags"],
  ["a tag of its own", input("    url: !foo x"), "4:15", "CONFIG_SYNTAX tags"],
  ["a lost alias", input("    url: *x"), "4:10", "CONFIG_SYNTAX an alias without"],
  ["__proto__", input("    __proto__: {a: 1}"), "4:5", "CONFIG_SYNTAX the key __proto__"],
  ["constructor", `constructor: {}\n${least}`, "1:1", "CONFIG_SYNTAX the key constructor"],
  ["prototype", input("    tls: {prototype: 1}"), "4:11", "CONFIG_SYNTAX the key prototype"],
  ["__proto__ in JSON", '{"a": {"__proto__": 1}}', "1:8", "CONFIG_SYNTAX the key __proto__"],
  [
    "braces in a list",
    input("    tables: [${A}]"),
    "4:15",
    'CONFIG_SYNTAX Missing , | in quotes: "${HOST}"',
  ],
  [
    "an unknown section",
    `outputz: []\n${least}`,
    "1:1 outputz",
    'CONFIG_INVALID unknown section outputz | did you mean "outputs"?',
  ],
  [
    "an unknown key",
    output("topik: x"),
    "8:5 outputs[0].topik",
    'CONFIG_INVALID unknown key topik | did you mean "topic"?',
  ],
  [
    "an unknown common key",
    output("onfailed: block"),
    "8:5 outputs[0].onfailed",
    'did you mean "onFailed"?',
  ],
  [
    "an unknown key with nothing near",
    output("zzzzzz: 1"),
    "8:5 outputs[0].zzzzzz",
    "what is known here: name, plugin, match, batch, retry, buffer, timeoutMs, onFailed, topic, acks",
  ],
  [
    "an unknown key below",
    output("batch: {countMaxx: 3}"),
    "8:13 outputs[0].batch.countMaxx",
    'did you mean "countMax"?',
  ],
  [
    "an unknown key in bus",
    `bus:\n  windows: {}\n${least}`,
    "2:3 bus.windows",
    'unknown key windows | did you mean "window"?',
  ],
  [
    "a text for a number",
    input('    port: "80"'),
    "4:11 inputs[0].port",
    "a string stands where number should | integer from 1 to 65535: The port.",
  ],
  [
    "one of a list",
    input('    tables: ["a", ""]'),
    "4:19 inputs[0].tables[1]",
    "too short: at least 1 | list of string: Which tables.",
  ],
  [
    "a number too large",
    input("    port: 65536"),
    "4:11 inputs[0].port",
    "at most 65535 | integer from 1 to 65535",
  ],
  [
    "a number for a boolean",
    input("    follow: 1"),
    "4:13 inputs[0].follow",
    "a number stands where boolean should | boolean: Whether to wait",
  ],
  [
    "a wrong choice",
    input("    mode: asink"),
    "4:11 inputs[0].mode",
    'none of the values that are allowed | did you mean "async"?',
  ],
  [
    "a text for a list",
    input("    tables: a"),
    "4:13 inputs[0].tables",
    "a string stands where array should | list of string",
  ],
  ["an empty item", input('    tables: [a, ""]'), "4:17 inputs[0].tables[1]", "too short"],
  [
    "nothing for a value",
    input("    port:"),
    "4:10 inputs[0].port",
    "nothing stands where number should",
  ],
  [
    "a missing key",
    input("    tls: {ca: x}"),
    "4:10 inputs[0].tls.key",
    "key is missing | string: The key.",
  ],
  ["a union", output("acks: maybe"), "8:11 outputs[0].acks", "a string does not fit here"],
  [
    "no match",
    least.replace("    match: in\n", ""),
    "5:5 outputs[0].match",
    "match is missing | string | list of string: The idents",
  ],
  ["no name", least.replace("name: in\n    ", ""), "2:5 inputs[0].name", "name is missing"],
  [
    "an upper case name",
    least.replace("name: in", "name: In"),
    "2:11 inputs[0].name",
    "a name is 1 to 64 of a-z",
  ],
  [
    "a name that climbs",
    least.replace("name: in", "name: ../in"),
    "2:11 inputs[0].name",
    "a name is 1 to 64 of a-z",
  ],
  [
    "an unknown plugin",
    least.replace("FakeOutput", "FakeOuput"),
    "6:13 outputs[0].plugin",
    'PLUGIN_UNKNOWN there is no plugin FakeOuput | did you mean "FakeOutput"?',
  ],
  [
    "a plugin of another kind",
    least.replace("FakeOutput", "FakeFilter"),
    "6:13 outputs[0].plugin",
    "PLUGIN_UNKNOWN FakeFilter is a filter, not an output",
  ],
  [
    "a plugin file that is not there",
    least.replace("FakeOutput", "./no-such.ts"),
    "6:13 outputs[0].plugin",
    "PLUGIN_LOAD the file ./no-such.ts is not there",
  ],
  [
    "two of one name",
    least.replace("name: out", "name: in"),
    "5:11 outputs[0].name",
    "a second entry is called in | the first is at c.yaml:2:11",
  ],
  [
    "inputs as an object",
    least.replace("  - name: in\n    plugin", "  a:\n    plugin"),
    "2:3 inputs",
    "inputs is a list of entries",
  ],
  ["an entry that is a text", `${least}  - x\n`, "8:5 outputs[1]", "an entry is an object"],
  ["no outputs", least.split("outputs")[0] ?? "", "1:1 outputs", "no outputs"],
  [
    "empty inputs",
    least.replace(/inputs:[\s\S]*outputs/, "inputs: []\noutputs"),
    "1:9",
    "no inputs",
  ],
  [
    "a match that nothing sends",
    least.replace("match: in", "match: [in, ni]"),
    "7:17 outputs[0].match[1]",
    'CONFIG_GRAPH out matches ni, which nothing can send | did you mean "in"?',
  ],
  [
    "a public admin API",
    `admin: {host: 0.0.0.0}\n${least}`,
    "1:15 admin.host",
    "ADMIN_UNSAFE 0.0.0.0 can be reached | set admin.token and admin.tls",
  ],
  [
    "a missing variable",
    input("    url: mysql://${NO_SUCH}/"),
    "4:10 inputs[0].url",
    "SECRET_MISSING the environment variable NO_SUCH is not set",
  ],
  [
    "a missing file",
    input("    password: ${file:/no/such}"),
    "4:15 inputs[0].password",
    "SECRET_MISSING the file /no/such cannot be read",
  ],
];

test.each(wrong)(
  "%s is named with its place and what would be right",
  async (_, text, at, says) => {
    const { config, problems } = await load(text);
    expect(config).toBeNull();
    const found = problemsText(problems);
    expect(problems.length, found).toBe(1);
    expect(found).toContain(`c.yaml:${at.split(" ")[0]}: error:`);
    if (at.includes(" ")) expect(found).toContain(` ${at.split(" ")[1]}: `);
    for (const part of says.split(" | ")) {
      const [code, ...rest] = part.split(" ");
      if (/^[A-Z]+_[A-Z_]+$/.test(code ?? "")) {
        expect(found).toContain(`[${code}]`);
        expect(found).toContain(rest.join(" "));
      } else expect(found).toContain(part);
    }
  },
);

test("everything that is wrong is said at once, in the order of the file", async () => {
  const { problems } = await load(`bus: {onUnrouted: dorp}
inputs:
  - name: In
    plugin: FakeInput
    port: x
  - plugin: Fake
outputs:
  - name: out
    plugin: FakeOutput
    match: 5
    topik: x
`);
  const lines = problemsText(problems).split("\n");
  const places = lines
    .filter((line) => line.startsWith("c.yaml"))
    .map((line) => line.split(" ")[0]);
  expect(places).toEqual([
    "c.yaml:1:19:",
    "c.yaml:3:11:",
    "c.yaml:5:11:",
    "c.yaml:6:5:",
    "c.yaml:6:13:",
    "c.yaml:10:12:",
    "c.yaml:11:5:",
  ]);
});

test("a cycle is named with all its members", async () => {
  const { config, problems } = await load(`inputs: [{name: in, plugin: FakeInput}]
filters:
  - {name: a, plugin: FakeFilter, match: [in, c]}
  - {name: b, plugin: FakeFilter, match: a}
  - {name: c, plugin: FakeFilter, match: b}
outputs: [{name: out, plugin: FakeOutput, match: "*"}]
`);
  expect(config).toBeNull();
  expect(problemsText(problems)).toBe(
    "c.yaml:3:5: error: filters[0]: a cycle: a -> b -> c -> a [CONFIG_GRAPH]\n" +
      "    c sends c to a again: give it another ident, or narrow the match of a\n",
  );
});

test("a filter that matches what it sends itself is a cycle", async () => {
  const { problems } = await load(`inputs: [{name: in, plugin: FakeInput}]
filters: [{name: f, plugin: FakeFilter, match: "*"}]
outputs: [{name: out, plugin: FakeOutput, match: f}]
`);
  expect(problems[0]?.message).toBe("a cycle: f -> f");
  expect(problems[0]?.remedy).toContain("f sends f to itself");
});

test("a filter that sends by pattern may not reach its own match", async () => {
  const { problems } = await load(`inputs: [{name: in, plugin: FakeInput, idents: [shop.raw]}]
filters: [{name: f, plugin: FakeFilter, match: "shop.*", send: ["*.orders"]}]
outputs: [{name: out, plugin: FakeOutput, match: "*.orders"}]
`);
  expect(problems[0]?.message).toBe("a cycle: f -> f");
});

test("a diamond is no cycle", async () => {
  const { problems, edges } = await load(`inputs: [{name: in, plugin: FakeInput}]
filters:
  - {name: a, plugin: FakeFilter, match: in}
  - {name: b, plugin: FakeFilter, match: in}
  - {name: c, plugin: FakeFilter, match: [a, b]}
outputs: [{name: out, plugin: FakeOutput, match: c}]
`);
  expect(problems).toEqual([]);
  expect(edges.map(({ from, to }) => `${from}-${to}`)).toEqual([
    "in-a",
    "in-b",
    "a-c",
    "b-c",
    "c-out",
  ]);
});

test("a sender that nobody listens to is a warning, and the config can be used", async () => {
  const { config, problems } = await load(
    least.replace("inputs:", "inputs:\n  - {name: deaf, plugin: FakeInput}"),
  );
  expect(config).not.toBeNull();
  expect(problemsText(problems)).toContain(
    "c.yaml:2:5: warning: inputs[0]: nothing matches what deaf sends: deaf",
  );
});

test("what is nested too deeply is refused with its place, and at once", async () => {
  const opens = ["[", "{a: ", "- ", "? ", "a:\n".repeat(2)];
  for (const open of opens) {
    const started = performance.now();
    const { problems } = await load(`inputs:\n  ${open.repeat(100_000)}`);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect([open, problems.length > 0]).toEqual([open, true]);
  }
  const flow = await load(`inputs: "[[[["\n# [[[[\noutputs:\n  - ${"[".repeat(40)}`);
  expect(flow.problems).toMatchObject([
    { code: "CONFIG_SYNTAX", message: "nested too deeply", place: { line: 4, column: 37 } },
  ]);
  const compact = await load(`inputs:\n- a\n${"- ".repeat(130_000)}`);
  expect(compact.problems).toMatchObject([
    { code: "CONFIG_SYNTAX", message: "nested too deeply", place: { line: 3, column: 65 } },
  ]);
  const long = `inputs: ${"- ".repeat(3)}\n${"- x\n".repeat(200)}`;
  expect((await load(long)).problems.map(({ message }) => message)).not.toContain(
    "nested too deeply",
  );
  const shallow = `inputs: ${"[".repeat(20)}${"]".repeat(20)}\nx: ${"[],".repeat(1)}`;
  expect((await load(shallow)).problems.map(({ message }) => message)).not.toContain(
    "nested too deeply",
  );
});

test("an object that calls a key `length` is refused where a text or a list is wanted", async () => {
  const { config, problems } = await load(
    least.replace("match: in", "match: {length: {any: thing}}"),
  );
  expect(config).toBeNull();
  expect(problems.length).toBeGreaterThan(0);
  for (const { place } of problems) expect(place.line).toBeGreaterThan(0);
});

test("many keys in one place are looked up, not compared with one another", async () => {
  const keys = Array.from({ length: 45_000 }, (_, n) => `  k${n}: 1`).join("\n");
  const started = performance.now();
  const unknown = await load(`x:\n${keys}`);
  // Compared with one another they took a minute and a half.
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(unknown.config).toBeNull();
  const twice = await load(`x:\n${"  a: 1\n".repeat(45_000)}`);
  expect(twice.problems).toHaveLength(100);
});

test("S8: a billion laughs end at the limit", async () => {
  const lines = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (const [at, name] of [..."bcdefgh"].entries()) {
    const before = "abcdefgh"[at];
    lines.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]`);
  }
  const { problems } = await load(`${lines.join("\n")}\n`);
  expect(problems.map((problem) => problem.message)).toEqual(["the aliases expand to too much"]);
});

test.each([
  ["deep nesting", `a: ${"[".repeat(100)}${"]".repeat(100)}`],
  ["nesting that exhausts a parser", `a: ${"[".repeat(200_000)}`],
  ["an alias to itself", "a: &a [*a]"],
  ["more than 1 MiB", `a: "${"x".repeat(1_100_000)}"`],
])("S8: %s is refused and ends nothing", async (_, text) => {
  const { config, problems } = await load(text);
  expect(config).toBeNull();
  expect(problems[0]?.code).toBe("CONFIG_SYNTAX");
});

test("S7: no forbidden key of a config reaches a prototype", async () => {
  for (const key of ["__proto__", "constructor", "prototype"]) {
    await load(`${key}: {polluted: 1}\n${least}`);
    await load(JSON.stringify({ inputs: [{ [key]: { polluted: 1 } }] }));
  }
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test("JSON is YAML", async () => {
  const text = JSON.stringify({
    inputs: [{ name: "in", plugin: "FakeInput" }],
    outputs: [{ name: "out", plugin: "FakeOutput", match: ["i*"] }],
  });
  expect((await load(text)).problems).toEqual([]);
});

test("a file that is not there, or is not UTF-8, is a problem and no exception", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dbus-load-"));
  try {
    const missing = await loadConfig(join(folder, "no.yaml"), { registry: fakeRegistry });
    expect(missing.problems[0]).toMatchObject({ code: "CONFIG_NOT_FOUND" });
    const latin = join(folder, "latin.yaml");
    writeFileSync(latin, Buffer.from("bus: {}\n# \u00e9\nstate: {dir: caf\u00e9}\n", "latin1"));
    const invalid = await loadConfig(latin, { registry: fakeRegistry });
    expect(invalid.problems).toMatchObject([
      { code: "CONFIG_SYNTAX", place: { file: latin, line: 2, column: 3 } },
    ]);
    writeFileSync(latin, Buffer.concat([Buffer.from("# \u00e9\na: \u00fc"), Buffer.of(0xff)]));
    const atEnd = await loadConfig(latin, { registry: fakeRegistry });
    expect(atEnd.problems[0]?.place).toEqual({ file: latin, line: 2, column: 5 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a secret that is not there is named with its place, and what to do for each kind", async () => {
  const fields = "    url: ${NOT_THERE}\n    password: ${file:/nowhere/secret}";
  const { config, problems } = await load(input(fields));
  expect(config).toBeNull();
  const missing = problems.filter(({ code }) => code === "SECRET_MISSING");
  expect(missing.map(({ place, remedy }) => [place.line, remedy.split(",")[0]])).toEqual([
    [4, "set it before the start"],
    [5, "create the file"],
  ]);
});

test("who requires a config gets one error that holds them all", async () => {
  const options = { registry: fakeRegistry, text: input("    port: x\n    mode: y"), env: {} };
  await expect(requireConfig("c.yaml", options)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    place: { file: "c.yaml", line: 4, column: 11 },
  });
});

test("the command line wins over the file, but cannot make the admin API public", async () => {
  const load = (host: string) =>
    loadConfig("c.yaml", {
      registry: fakeRegistry,
      text: least,
      overrides: { admin: { host, port: 0 }, stateDir: "/x", logLevel: "debug" },
    });
  expect((await load("::1")).config).toMatchObject({
    admin: { host: "::1", port: 0 },
    state: { dir: "/x" },
    log: { level: "debug" },
  });
  expect((await load("0.0.0.0")).problems).toMatchObject([
    { code: "ADMIN_UNSAFE", place: { file: "--admin" } },
  ]);
});

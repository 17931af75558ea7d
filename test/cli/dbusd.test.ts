import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bannerText } from "#src/cli/banner.ts";
import { parseOptions } from "#src/cli/dbusd-options.ts";
import { runDbusd } from "#src/cli/run-dbusd.ts";
import { loadConfig } from "#src/config/load.ts";
import { fakeRegistry } from "../config/fake-plugins.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dbus-dbusd-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function dbusd(argv: readonly string[], env: Record<string, string> = {}) {
  let out = "";
  let err = "";
  const code = await runDbusd(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    log: (line) => {
      err += line;
    },
    env,
    terminal: false,
    dbc: "dbc",
  });
  return { code, out, err };
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const good = `inputs: [{name: in, plugin: MockInput, count: 10}]
outputs: [{name: out, plugin: MockOutput, match: in}]
bus: {onFinished: exit}
admin: {port: 0}
`;

test.each([
  [["--nope"], "Unknown option '--nope'"],
  [["a.yaml", "b.yaml"], "it takes one configuration file"],
  [["--from", "mysql://u@h/d"], "--from and --to go together"],
  [["a.yaml", "--from", "-", "--to", "-"], "it is a configuration file, or --from and --to"],
  [["--admin", "x"], "--admin wants host:port, not x"],
  [["--admin", "127.0.0.1:70000"], "--admin wants host:port"],
  [["--log-level", "loud"], "--log-level does not know loud"],
  [["--log-format", "xml"], "--log-format does not know xml"],
])("%j is answered with exit code 2 and what is wrong", async (argv, says) => {
  const { code, err, out } = await dbusd(argv);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toStartWith("dbusd: ");
  expect(err).toContain(says);
  expect(err).toContain("[USAGE]");
});

test.each([
  ["127.0.0.1:9000", { host: "127.0.0.1", port: 9000 }],
  ["[::1]:9000", { host: "::1", port: 9000 }],
  [":9000", { host: "127.0.0.1", port: 9000 }],
  ["0", { host: "127.0.0.1", port: 0 }],
])("--admin %s is understood", (text, expected) => {
  expect(parseOptions(["--admin", text]).overrides.admin).toEqual(expected);
});

test("a lone dash is standard input or output", () => {
  expect(parseOptions(["--from", "-", "--to", "-"])).toMatchObject({ from: "-", to: "-" });
  expect(parseOptions(["--from", "a.txt", "--to=-"])).toMatchObject({ from: "a.txt", to: "-" });
});

test("--help tells every option and every exit code, --version the version", async () => {
  const { code, out } = await dbusd(["--help"]);
  expect(code).toBe(0);
  for (const option of ["--from", "--to", "--check", "--print-config", "--schema", "--state-dir"]) {
    expect(out).toContain(option);
  }
  for (const exit of [0, 1, 2, 3, 4]) expect(out).toContain(`\n  ${exit}  `);
  expect((await dbusd(["--version"])).out).toMatch(/^dbusd \d+\.\d+\.\d+\n$/);
});

test("S1: an admin API that others could reach without a token ends with its own exit code", async () => {
  const right = write("right.yaml", good);
  const { code, err } = await dbusd([right, "--admin", "0.0.0.0:0"]);
  expect(code).toBe(4);
  expect(err).toStartWith("--admin: error: ");
  expect(err).toContain(
    "[ADMIN_UNSAFE]\n    listen on 127.0.0.1, or set admin.token and admin.tls ",
  );
  const wrong = write("wrong.yaml", good.replace("match: in", "match: ni"));
  expect((await dbusd([wrong, "--admin", "0.0.0.0:0"])).code).toBe(2);
});

test("--check says that a config can be used, or all that is wrong, and starts nothing", async () => {
  const right = write("right.yaml", good);
  expect(await dbusd([right, "--check"])).toEqual({
    code: 0,
    out: expect.stringMatching(
      /right\.yaml: it can be used\nmemory: at most \d+ MiB\n( +[\d.]+ MiB {2}.+\n){4,}$/,
    ),
    err: "",
  });
  const wrong = write(
    "wrong.yaml",
    good.replace("match: in", "match: ni").replace("count", "coun"),
  );
  const { code, out, err } = await dbusd([wrong, "--check"]);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toBe(
    `${wrong}:1:40: error: inputs[0].coun: unknown key coun [CONFIG_INVALID]\n` +
      '    did you mean "count"?\n',
  );
});

test("a config that is wrong, or not there, ends it with exit code 2", async () => {
  const missing = await dbusd([join(folder, "no.yaml")]);
  expect(missing.code).toBe(2);
  expect(missing.err).toContain("[CONFIG_NOT_FOUND]");
  const empty = await dbusd([write("empty.yaml", "")]);
  expect(empty.code).toBe(2);
  expect(empty.err).toContain("the file is empty");
});

test("--print-config shows a file as it is written, without its secrets", async () => {
  const file = write(
    "secret.yaml",
    `${good.replace("port: 0", "port: 0, token: canary-0123456789")}`,
  );
  const { code, out } = await dbusd([file, "--print-config"]);
  expect(code).toBe(0);
  expect(out).toContain('token: "[redacted]"');
  expect(out).not.toContain("canary");
});

test("--check knows the built-in example", async () => {
  expect(await dbusd(["--check"])).toMatchObject({
    code: 0,
    out: expect.stringMatching(
      /^quickstart\.yaml: it can be used\nmemory: at most .+; \d+ MiB without a large packet\n/,
    ),
  });
});

test("--schema is one JSON Schema in which every plugin's fields are", async () => {
  const { out } = await dbusd(["--schema"]);
  const schema = JSON.parse(out) as Record<string, unknown>;
  expect(schema.$schema).toBe("https://json-schema.org/draft/2020-12/schema");
  expect(Object.keys(schema.properties as object)).toEqual([
    "bus",
    "state",
    "admin",
    "log",
    "cluster",
    "inputs",
    "filters",
    "outputs",
  ]);
  for (const plugin of ["MockInput", "MockFilter", "StreamOutput"]) expect(out).toContain(plugin);
});

test("a bus whose inputs end runs to its end and exits with 0", async () => {
  const file = write("mock.yaml", good);
  const { code, err } = await dbusd([file, "--state-dir", join(folder, "state")]);
  expect(code).toBe(0);
  expect(err).toContain('"message":"dbus is running"');
  expect(err).toContain("ended: every input has ended");
});

test("two places are enough: the configuration that they stand for is in the log", async () => {
  const from = write("lines.txt", "one\ntwo\n");
  const to = join(folder, "lines.ndjson");
  const argv = ["--from", from, "--to", to, "--state-dir", join(folder, "two"), "--admin", ":0"];
  const { code, err } = await dbusd(argv);
  expect(code).toBe(0);
  const entries = err.trim().split("\n");
  const said = (text: string) =>
    JSON.parse(entries.find((entry) => entry.includes(text)) ?? "{}") as Record<string, unknown>;
  expect(said("--from and --to stand for").yaml).toContain("plugin: StreamInput");
  expect(said("dbus is running")).toMatchObject({
    writes: [to],
    next: expect.stringMatching(/^dbc status --watch --admin 127\.0\.0\.1:\d+$/),
  });
  expect(readFileSync(to, "utf8").trim().split("\n")).toHaveLength(2);
});

test("an admin port that is taken ends it with exit code 4", async () => {
  const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
  try {
    const file = write("taken.yaml", good);
    const argv = [file, "--state-dir", join(folder, "taken"), "--admin", `:${other.port}`];
    const { code, err } = await dbusd(argv);
    expect(code).toBe(4);
    expect(err).toContain("[ADMIN_LISTEN]");
  } finally {
    await other.stop(true);
  }
});

test("the start tells a person what moves, where it is written and what to try", async () => {
  const text = `inputs: [{name: in, plugin: FakeInput}]
outputs: [{name: out, plugin: FakeOutput, match: in}]`;
  const { config } = await loadConfig("c.yaml", { registry: fakeRegistry, text, env: {} });
  const [output] = config?.outputs ?? [];
  if (!config || !output) throw new Error("the config is right");
  const withConfig = (own: object) => ({ ...config, outputs: [{ ...output, config: own }] });
  expect(
    bannerText(withConfig({ file: "out.ndjson" }), "http://127.0.0.1:9876", "bun run dbc"),
  ).toBe(`
dbus is running: in (FakeInput) -> out (FakeOutput)
  writes    out.ndjson
  state     ./data
  admin     http://127.0.0.1:9876/api/v1/stat
  try       bun run dbc status --watch
  or        tail -f out.ndjson
  stop      Ctrl-C

`);
  const elsewhere = bannerText(config, "http://127.0.0.1:1234", "dbc");
  expect(elsewhere).toContain("dbc status --watch --admin 127.0.0.1:1234");
  expect(elsewhere).not.toContain("writes");
  expect(bannerText(config, null, "dbc")).not.toContain("try");
  const many = bannerText(withConfig({ folder: "out" }), null, "dbc");
  expect(many).toContain("  writes    out/*.ndjson\n");
});

test("the sources of the example are where the binary takes them from", () => {
  const root = join(import.meta.dir, "..", "..");
  const text = readFileSync(join(root, "etc/quickstart.yaml"), "utf8");
  expect(text).toContain("${DBUS_QUICKSTART:-etc/quickstart/shop.binlog}");
});

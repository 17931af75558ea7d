import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ActorStatus, Stat } from "#src/api/port.ts";
import { runDbc } from "#src/cli/dbc.ts";
import { runDir } from "../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { waitFor } from "../support/index.ts";

type Tree = Record<string, unknown>;

const output = (name: string, more: Tree = {}) => ({
  ...{ name, plugin: "StreamOutput", match: "log", batch: { countMax: 64 } },
  ...more,
});

let dir = "";
let daemon: DaemonProcess;
let version = 1;

function configOf(outputs: readonly Tree[], more: Tree = {}): Tree {
  const source = { file: join(dir, "source.ndjson"), follow: true, pollMs: 5, lines: "ndjson" };
  return {
    bus: { window: { packets: 512 }, checkpointIntervalMs: 50 },
    state: { dir: join(dir, "state") },
    inputs: [{ name: "log", plugin: "StreamInput", ...source }],
    outputs,
    ...more,
  };
}

/** Numbered lines, for as long as the daemon runs: every reload is under load. */
let written = 0;
let writer: ReturnType<typeof setInterval>;

function writeLines(): void {
  let text = "";
  for (let i = 0; i < 50; i++) text += `${JSON.stringify({ n: written++ })}\n`;
  appendFileSync(join(dir, "source.ndjson"), text);
}

/** The numbers that an output has in its file, in order. */
function arrived(name: string): number[] {
  const path = join(dir, "state", name, `${name}.ndjson`);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { n: number }).n);
}

const isWhole = (numbers: readonly number[], from = 0) => numbers.every((n, i) => n === from + i);

async function get<T>(path: string): Promise<T> {
  return (await (await fetch(daemon.adminUrl + path)).json()) as T;
}

const stat = () => get<Stat>("/api/v1/stat");

/** How often the actors of the pipeline were started again. */
async function restarts(): Promise<Record<string, number>> {
  const flat = (one: ActorStatus): ActorStatus[] => [one, ...one.children.flatMap(flat)];
  const actors = flat(await get<ActorStatus>("/api/v1/supervisor"));
  const leaves = actors.filter((one) => one.path.includes("pipeline/") && !one.strategy);
  return Object.fromEntries(
    leaves.map((one) => [one.path.slice(one.path.lastIndexOf("/") + 1), one.restarts]),
  );
}

async function dbc(args: string) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runDbc(args.split(" "), {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    env: { DBUS_ADMIN: daemon.adminUrl },
    terminal: false,
    signal: new AbortController().signal,
  });
  return { code, out: out.join(""), err: err.join("") };
}

const logged = async (text: string) => (await daemon.log()).split(text).length - 1;
const refusals = () => logged("the configuration was refused");

const runs = (wanted: number) =>
  waitFor(async () => (await stat()).config.version === wanted, { what: `version ${wanted}` });

async function flowsOn(...names: string[]): Promise<void> {
  for (const name of names) {
    const before = arrived(name).length;
    await waitFor(() => arrived(name).length > before + 100, { what: `rows in ${name}` });
  }
}

beforeAll(async () => {
  dir = await runDir("reload");
  writeFileSync(join(dir, "source.ndjson"), "");
  daemon = await startDaemonProcess({
    dir,
    config: configOf([output("a"), output("b")]),
    args: ["--watch"],
  });
  await daemon.ready();
  writer = setInterval(writeLines, 5);
}, 60_000);

afterAll(async () => {
  clearInterval(writer);
  if (daemon?.running) daemon.kill("SIGKILL");
});

test("SIGHUP starts the changed output anew and adds another; nobody else is touched (fault 86)", async () => {
  await flowsOn("a", "b");
  const outputs = [output("a"), output("b", { batch: { countMax: 16 } }), output("c")];
  const { pid } = await stat();
  writeFileSync(daemon.file, daemon.text(configOf(outputs)));
  daemon.kill("SIGHUP");
  await runs(++version);
  await flowsOn("a", "b", "c");
  expect((await stat()).pid).toBe(pid);
  expect(await restarts()).toEqual({ "log.log": 0, router: 0, a: 0, b: 1, c: 0 });
  expect([isWhole(arrived("a")), isWhole(arrived("b"))]).toEqual([true, true]);
}, 30_000);

test("a storm of half-written files is at most one refusal, then the whole one runs (fault 84)", async () => {
  const before = await refusals();
  const outputs = [output("a"), output("b", { batch: { countMax: 32 } }), output("c")];
  const whole = daemon.text(configOf(outputs));
  // Never still for long enough to be read as settled, until the last one.
  for (let at = 1; at < 400; at++) {
    writeFileSync(daemon.file, whole.slice(0, Math.floor((whole.length * at) / 400)));
  }
  writeFileSync(`${daemon.file}.new`, whole);
  renameSync(`${daemon.file}.new`, daemon.file);
  await runs(++version);
  expect((await refusals()) - before).toBeLessThanOrEqual(1);
  expect(await restarts()).toEqual({ "log.log": 0, router: 0, a: 0, b: 2, c: 0 });
  await flowsOn("a", "b", "c");
}, 30_000);

test("a file that stays half is refused once, with its place, and what runs goes on (fault 84)", async () => {
  const before = await refusals();
  const whole = readFileSync(daemon.file, "utf8");
  writeFileSync(daemon.file, whole.slice(0, -20));
  await waitFor(async () => (await stat()).config.refused, { what: "a refusal" });
  const { config } = await stat();
  expect(config).toMatchObject({ version, refused: { code: "CONFIG_SYNTAX" } });
  expect((await dbc("status")).out).toMatch(/^the reload of .* was refused, CONFIG_SYNTAX: /m);
  const asked = await dbc("reload --json");
  expect(asked.code).toBe(2);
  const { error } = JSON.parse(asked.out) as { error: { problems: { place: Tree }[] } };
  expect(error.problems[0]?.place).toMatchObject({ file: daemon.file, line: expect.any(Number) });
  expect((await dbc("reload --dry-run")).err).toMatch(/dbus\.yaml:\d+:\d+: error: .*CONFIG_SYNTAX/);
  await flowsOn("a", "b", "c");
  // Once for --watch, once for dbc; a dry run is told to whoever asks only.
  expect((await refusals()) - before).toBe(2);
  writeFileSync(daemon.file, whole);
  await waitFor(async () => (await stat()).config.refused === null, {
    what: "the whole one is back",
  });
  expect(await restarts()).toEqual({ "log.log": 0, router: 0, a: 0, b: 2, c: 0 });
}, 30_000);

test("all that is wrong is told at once, and what needs a restart by its keys (fault 84)", async () => {
  const wrong = [output("a", { mach: 1 }), output("b", { match: "lag" }), output("a")];
  // By another name, or --watch would be the first to see it.
  const { code, err } = await reloadOf(configOf(wrong));
  expect(code).toBe(2);
  expect(err).toContain("unknown key mach");
  expect(err).toContain("a second entry is called a");
  const moved = await reloadOf(configOf([output("a")], { state: { dir: join(dir, "other") } }));
  expect(moved.code).toBe(2);
  expect(moved.err).toContain("RELOAD_RESTART");
  expect(moved.err).toContain("state.dir");
  expect((await stat()).config.version).toBe(version);
  expect(await restarts()).toEqual({ "log.log": 0, router: 0, a: 0, b: 2, c: 0 });
}, 30_000);

async function reloadOf(config: Tree) {
  writeFileSync(daemon.file, daemon.text(config));
  return dbc("reload");
}

test("an output goes and a filter comes between: no row is lost, doubled or out of turn", async () => {
  const config = configOf([output("a"), output("b", { match: "through" })], {
    filters: [{ name: "through", plugin: "MockFilter", match: "log" }],
  });
  const text = daemon.text(config);
  writeFileSync(daemon.file, text);
  const dry = await dbc("reload --dry-run");
  expect(dry).toMatchObject({
    code: 0,
    out: expect.stringMatching(/output {2}c|nothing has changed/),
  });
  const { length } = arrived("c");
  await runs(++version);
  await flowsOn("a", "b");
  const last = arrived("c");
  expect(last.length).toBeGreaterThanOrEqual(length);
  expect(isWhole(last, last[0])).toBe(true);
  clearInterval(writer);
  await waitFor(() => arrived("b").length === written, { what: "all rows" });
  expect(await daemon.stop()).toBe(0);
  for (const name of ["a", "b"]) {
    const numbers = arrived(name);
    expect([name, numbers.length, isWhole(numbers)]).toEqual([name, written, true]);
  }
}, 60_000);

import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  adminOf,
  type Command,
  dbcCommand,
  dbusdCommand,
  startCommand,
} from "../../support/command.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitFor } from "../../support/wait-for.ts";

const scratch = tempDir("cli");
let folders = 0;
function newFolder(): string {
  const folder = join(scratch, `run-${++folders}`);
  mkdirSync(folder);
  return folder;
}

const anyPort = ["--admin", "127.0.0.1:0"];
const tables = { customers: 56, orders: 126, payments: 34 };

function linesOf(folder: string, table: string): Record<string, unknown>[] {
  const file = join(folder, "data", table, `${table}.ndjson`);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function allRows(folder: string): Promise<void> {
  await waitFor(
    () => Object.entries(tables).every(([name, count]) => linesOf(folder, name).length >= count),
    { what: "every row of the shop", timeoutMs: 20_000 },
  );
}

async function stopped(dbusd: Command): Promise<void> {
  dbusd.kill("SIGTERM");
  expect(await dbusd.ended()).toBe(0);
}

/** Out of the sources, and as one binary that was built for this. */
const binary = join(scratch, "bin");
const forms: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["from the sources", dbusdCommand, dbcCommand],
  ["as one binary", [join(binary, "dbusd")], [join(binary, "dbc")]],
];

test("the build makes one binary and two names for it", async () => {
  const root = join(import.meta.dir, "..", "..", "..");
  const built = startCommand([process.execPath, "src/cli/build.ts", binary], { cwd: root });
  expect(await built.ended()).toBe(0);
  for (const name of ["dbus", "dbusd", "dbc"]) expect(existsSync(join(binary, name))).toBe(true);
  const version = startCommand([join(binary, "dbus"), "dbc", "--version"], { cwd: newFolder() });
  expect(await version.ended()).toBe(0);
  expect(version.out()).toMatch(/^dbc /);
}, 60_000);

describe.each(forms)("%s", (_, dbusdArgv, dbcArgv) => {
  const dbc = async (folder: string, url: string, ...args: readonly string[]) => {
    const command = startCommand([...dbcArgv, ...args, "--admin", url], { cwd: folder });
    const code = await command.ended();
    return { code, out: command.out(), err: command.err() };
  };

  test("without any configuration rows move, in an empty folder, once each", async () => {
    const folder = newFolder();
    const dbusd = startCommand([...dbusdArgv, ...anyPort], { cwd: folder });
    const url = await adminOf(dbusd);
    await allRows(folder);
    for (const [name, count] of Object.entries(tables)) {
      const lines = linesOf(folder, name);
      expect(lines).toHaveLength(count);
      expect(new Set(lines.map((line) => line.tbl))).toEqual(new Set([name]));
    }
    await waitFor(async () => (await dbc(folder, url, "status")).out.includes("finished"), {
      what: "the input to have come to its end",
    });
    await stopped(dbusd);

    // The second start goes on behind the checkpoint: it writes nothing twice.
    const again = startCommand([...dbusdArgv, ...anyPort], { cwd: folder });
    const secondUrl = await adminOf(again);
    await waitFor(async () => (await dbc(folder, secondUrl, "status")).out.includes("finished"), {
      what: "the second run to have come to its end",
    });
    await stopped(again);
    for (const [name, count] of Object.entries(tables)) {
      expect(linesOf(folder, name)).toHaveLength(count);
    }
  }, 60_000);

  test("dbc looks at it and steers it", async () => {
    const folder = newFolder();
    const config = `inputs: [{name: made, plugin: MockInput, payload: rows, rate: 200}]
filters: [{name: pass, plugin: MockFilter, match: made}]
outputs: [{name: lines, plugin: StreamOutput, match: pass}]
`;
    writeFileSync(join(folder, "c.yaml"), config);
    const dbusd = startCommand([...dbusdArgv, "c.yaml", ...anyPort], { cwd: folder });
    const url = await adminOf(dbusd);
    const packets = async () => {
      const { out } = await dbc(folder, url, "status", "--json");
      return (JSON.parse(out) as { inputs: { packets: number }[] }).inputs[0]?.packets ?? 0;
    };
    await waitFor(async () => (await packets()) > 0, { what: "the first packets" });
    expect((await dbc(folder, url, "topology")).out).toBe(
      "made (MockInput)\n└─ pass (MockFilter)  takes made\n   └─ lines (StreamOutput)  takes pass\n",
    );
    expect((await dbc(folder, url, "topology", "--svg")).out).toStartWith("<svg");
    expect((await dbc(folder, url, "supervisor")).out).toContain("router");
    expect((await dbc(folder, url, "plugins")).out).toMatch(/StreamOutput +output +lines/);

    expect((await dbc(folder, url, "pause", "made")).out).toBe("made is paused\n");
    const paused = await packets();
    expect((await dbc(folder, url, "status")).out).toContain("paused");
    expect(await packets()).toBe(paused);
    expect((await dbc(folder, url, "resume", "made")).out).toBe("made is resumed\n");
    await waitFor(async () => (await packets()) > paused, { what: "packets after the pause" });

    const set = await dbc(folder, url, "checkpoint", "set", "made", "100000");
    expect(set.err).toBe("");
    const position = async () => {
      const { out } = await dbc(folder, url, "checkpoint", "get", "made", "--json");
      return Number((JSON.parse(out) as { position: string }[])[0]?.position);
    };
    await waitFor(async () => (await position()) > 100_000, { what: "it to go on from there" });
    expect((await dbc(folder, url, "pause", "nope")).code).toBe(1);
    expect((await dbc(folder, url, "deadletters", "list")).out).toBe("there are no dead letters\n");
    await stopped(dbusd);
    expect((await dbc(folder, url, "status")).code).toBe(5);
  }, 60_000);
});

test.each(forms)(
  "a user's TypeScript file is a plugin, %s",
  async (_, dbusdArgv) => {
    const folder = newFolder();
    const plugin = `import { defineFilter, type Packet } from "#plugin";
import { z } from "zod";
export const shout = defineFilter({
  name: "Shout",
  summary: "Makes texts louder.",
  configSchema: z.strictObject({ times: z.int().min(1).default(1) }),
  open: (_context, config) => config,
  apply({ times }: { times: number }, packet: Packet, { ident }) {
    const text = \`\${packet.payload.kind}\${"!".repeat(times)}\`;
    return { ...packet, ident, payload: { kind: "text", text } };
  },
});
`;
    const config = `inputs: [{name: made, plugin: MockInput, count: 3}]
filters: [{name: shout, plugin: ./shout.ts, match: made, times: 2}]
outputs: [{name: lines, plugin: StreamOutput, match: shout, lines: raw}]
bus: {onFinished: exit}
`;
    writeFileSync(join(folder, "shout.ts"), plugin);
    writeFileSync(join(folder, "c.yaml"), config);
    const dbusd = startCommand([...dbusdArgv, "c.yaml", ...anyPort], { cwd: folder });
    expect([await dbusd.ended(), dbusd.err().includes('"error"')]).toEqual([0, false]);
    const lines = readFileSync(join(folder, "data/lines/lines.ndjson"), "utf8");
    expect(lines).toBe("bytes!!\n".repeat(3));
  },
  30_000,
);

test("what an output refuses is kept, shown, and sent again when the cause is mended", async () => {
  const folder = newFolder();
  const configOf = (failRate: number, count: number) => `
inputs: [{name: made, plugin: MockInput, count: ${count}}]
outputs: [{name: picky, plugin: MockOutput, match: made, failRate: ${failRate}, failAs: reject}]
`;
  const run = async (failRate: number, count: number) => {
    writeFileSync(join(folder, "c.yaml"), configOf(failRate, count));
    const dbusd = startCommand([...dbusdCommand, "c.yaml", ...anyPort], { cwd: folder });
    const url = await adminOf(dbusd);
    const dbc = async (...args: readonly string[]) => {
      const argv = [...dbcCommand, ...args, "--json", "--admin", url];
      const command = startCommand(argv, { cwd: folder });
      return { code: await command.ended(), answer: JSON.parse(command.out()) };
    };
    return { dbusd, dbc };
  };
  const first = await run(1, 5);
  const letters = await waitFor(
    async () => {
      const { answer } = await first.dbc("deadletters", "list");
      return answer.length === 5 ? (answer as { id: number; reason: string }[]) : false;
    },
    { what: "five dead letters" },
  );
  const shown = await first.dbc("deadletters", "show", `${letters[0]?.id}`);
  expect(shown.answer).toMatchObject({ node: "picky", code: "OUTPUT_REJECTED" });
  expect((await first.dbc("deadletters", "redrive", `${letters[0]?.id}`)).code).toBe(1);
  await stopped(first.dbusd);

  const second = await run(0, 5);
  const redriven = await second.dbc("deadletters", "redrive", "--all");
  // The one that was refused again above has become a letter of its own.
  // What has passed since the first process refused them is not known to the second.
  const outOfOrder = [2, 3, 4, 5, 6].map((n) => (letters[0]?.id ?? 0) + n - 1);
  expect(redriven).toEqual({ code: 0, answer: { delivered: 5, failed: 0, outOfOrder } });
  const again = await second.dbc("deadletters", "redrive", "--all");
  expect(again.answer).toEqual({ delivered: 0, failed: 0, outOfOrder: [] });
  await stopped(second.dbusd);
}, 60_000);

test("rows go to standard output, and nothing else does", async () => {
  const folder = newFolder();
  const from = join(import.meta.dir, "..", "..", "..", "etc/quickstart/shop.binlog");
  writeFileSync(join(folder, "binlog.000001"), readFileSync(from));
  const argv = [...dbusdCommand, "--from", "binlog.000001", "--to", "-", ...anyPort];
  const dbusd = startCommand(argv, { cwd: folder });
  expect(await dbusd.ended()).toBe(0);
  const lines = dbusd.out().trim().split("\n");
  expect(lines).toHaveLength(56 + 126 + 34);
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty("dml");
}, 30_000);

test.each(forms)(
  "what is larger than a pipe holds comes out whole, %s",
  async (_, dbusdArgv) => {
    const dbusd = startCommand([...dbusdArgv, "--schema"], { cwd: newFolder() });
    expect(await dbusd.ended()).toBe(0);
    expect(dbusd.out().length).toBeGreaterThan(65_536);
    expect(() => JSON.parse(dbusd.out())).not.toThrow();
  },
  30_000,
);

test("a second one on the same data folder refuses to start, and says why", async () => {
  const folder = newFolder();
  const first = startCommand([...dbusdCommand, ...anyPort], { cwd: folder });
  await adminOf(first);
  const second = startCommand([...dbusdCommand, ...anyPort], { cwd: folder });
  expect(await second.ended()).toBe(3);
  expect(second.err()).toContain("[STATE_LOCKED]");
  await stopped(first);
}, 30_000);

test("a second signal ends it at once, however long the stop would take", async () => {
  const folder = newFolder();
  // The output refuses everything and tries again: what is in flight never settles.
  const config = `inputs: [{name: made, plugin: MockInput, rate: 1000}]
outputs: [{name: stuck, plugin: MockOutput, match: made, failRate: 1, retryAfterMs: 60000}]
bus: {stopDeadlineMs: 600000}
`;
  writeFileSync(join(folder, "c.yaml"), config);
  const dbusd = startCommand([...dbusdCommand, "c.yaml", ...anyPort], { cwd: folder });
  await adminOf(dbusd);
  dbusd.kill("SIGINT");
  await waitFor(() => dbusd.err().includes("stopping: SIGINT"), { what: "the stop to begin" });
  // The same Ctrl-C may arrive twice within half a second; later ones are new ones.
  const again = () => {
    if (dbusd.running) dbusd.kill("SIGINT");
    return !dbusd.running;
  };
  expect(again()).toBe(false);
  await waitFor(again, { what: "a later signal to end it", intervalMs: 100 });
  expect(await dbusd.ended()).toBe(130);
  expect(dbusd.err()).toContain("SIGINT again");
}, 30_000);

test("no password of a command line or a config is in what it says or shows", async () => {
  const folder = newFolder();
  const from = "mysql://someone:canary-argv@127.0.0.1:1/shop";
  const dbusd = startCommand([...dbusdCommand, "--from", from, "--to", "-", ...anyPort], {
    cwd: folder,
  });
  const url = await waitFor(() => /"admin":"([^"]+)"/.exec(dbusd.err())?.[1], { what: "the URL" });
  await waitFor(() => dbusd.err().includes("MYSQL_UNREACHABLE"), { what: "its first failure" });
  for (const path of ["config", "stat", "supervisor", "topology", "checkpoints", "plugins"]) {
    expect(await (await fetch(`${url}/api/v1/${path}`)).text()).not.toContain("canary");
  }
  expect(await (await fetch(`${url}/metrics`)).text()).not.toContain("canary");
  await stopped(dbusd);
  expect(dbusd.err() + dbusd.out()).not.toContain("canary");
}, 30_000);

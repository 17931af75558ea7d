import { afterAll, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { openState } from "#src/state/open-state.ts";
import { command } from "../../services/command.ts";
import { useStarted } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { type Command, dbcCommand, dbusdCommand, startCommand } from "../../support/command.ts";
import { waitFor } from "../../support/index.ts";
import { smallDisk } from "../../support/small-disk.ts";

/*
 * SIGTERM in each state that a bus can be in. After every stop the data folder is as it was told:
 * what was settled is committed, the next start brings the rest, and what was drained comes once.
 */
const count = 3_000;
const deadlineMs = 700;
const credit = 1_000;

type Part = Readonly<Record<string, unknown>>;
type Shape = { readonly input?: Part; readonly output?: Part; readonly outputs?: readonly Part[] };

/** Rows at a rate, into a file unless told otherwise; a second output may be added. */
function configOf(dir: string, { input = {}, output = {}, outputs = [] }: Shape = {}) {
  const rows = { name: "rows", plugin: "MockInput", payload: "rows", count, rate: 2_000 };
  const file = { plugin: "StreamOutput", file: join(dir, "rows.ndjson") };
  const batch = { countMax: 50, lingerMs: 0 };
  return {
    bus: { checkpointIntervalMs: 50, stopDeadlineMs: deadlineMs, edge: { packets: credit } },
    state: { dir: join(dir, "state") },
    admin: { port: 0 },
    inputs: [{ ...rows, ...input }],
    outputs: [{ name: "copy", match: "rows", batch, ...file, ...output }, ...outputs],
  };
}

function start(dir: string, config: object): Command {
  writeFileSync(join(dir, "c.yaml"), JSON.stringify(config));
  return startCommand([...dbusdCommand, "c.yaml"], { cwd: dir });
}

const rowsIn = (dir: string): number[] => {
  const path = join(dir, "rows.ndjson");
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [""];
  expect(lines.at(-1)).toBe("");
  return lines.slice(0, -1).map((line) => (JSON.parse(line) as { pos: number }).pos);
};

async function checkpointIn(dir: string): Promise<number> {
  const state = await openState({ dir: join(dir, "state") });
  const [stored] = await state.checkpoints.list({ input: "rows", resource: "rows" });
  await state.close();
  return Number(stored?.position ?? 0);
}

const said = (dbusd: Command, what: string | RegExp) =>
  waitFor(
    () => {
      if (!dbusd.running) throw new Error(`it ended: ${dbusd.err()}`);
      return typeof what === "string" ? dbusd.err().includes(what) : what.test(dbusd.err());
    },
    { what: `${what}`, timeoutMs: 20_000 },
  );

/** Stops it; the time that it took is within its deadline and what closing may take. */
async function stop(dbusd: Command, signal: "SIGTERM" | "SIGINT" = "SIGTERM"): Promise<number> {
  const asked = performance.now();
  dbusd.kill(signal);
  const code = await dbusd.ended();
  expect(performance.now() - asked).toBeLessThan(deadlineMs + 8_000);
  return code;
}

/** The next start, without what was in the way, brings every row; answers how many came twice. */
async function bringRest(dir: string): Promise<number> {
  const config = configOf(dir, { input: { rate: 100_000 } });
  const next = start(dir, { ...config, bus: { ...config.bus, onFinished: "exit" } });
  expect(await next.ended()).toBe(0);
  const rows = rowsIn(dir);
  expect(new Set(rows).size).toBe(count);
  expect(await checkpointIn(dir)).toBe(count);
  return rows.length - count;
}

/** All that was read was drained and committed, in order, and nothing of it comes again. */
async function expectClean(dir: string): Promise<void> {
  const rows = rowsIn(dir);
  expect(rows).toEqual(Array.from({ length: rows.length }, (_, n) => n));
  expect(await checkpointIn(dir)).toBe(rows.length);
  expect(await bringRest(dir)).toBe(0);
}

const outputPlugin = (open: string) => `import { defineOutput } from "#plugin";
import { z } from "zod";
export const odd = defineOutput({
  name: "OddOutput", summary: "opens late", configSchema: z.strictObject({}),
  open: ${open},
  write: () => undefined,
});
`;

test("fault 73: before the config is read SIGTERM ends it at once, and nothing was made", async () => {
  const dir = await runDir("stop-early");
  await command(["mkfifo", join(dir, "c.yaml")]);
  const dbusd = startCommand([...dbusdCommand, "c.yaml"], { cwd: dir });
  // Writing without waiting is refused until somebody has opened it for reading.
  const { O_WRONLY, O_NONBLOCK } = constants;
  const writer = () => openSync(join(dir, "c.yaml"), O_WRONLY | O_NONBLOCK);
  const opened = await waitFor(writer, { what: "the config to be read", timeoutMs: 20_000 });
  dbusd.kill("SIGTERM");
  expect(await dbusd.ended()).toBe(143);
  closeSync(opened);
  expect(existsSync(join(dir, "data"))).toBe(false);
}, 30_000);

test.each([
  ["never", "() => new Promise(() => {})"],
  ["late", "() => new Promise((resolve) => setTimeout(resolve, 300, null))"],
])(
  "fault 73: SIGTERM while a plugin opens that answers %s",
  async (_, open) => {
    const dir = await runDir("stop-opening");
    writeFileSync(join(dir, "odd.ts"), outputPlugin(open));
    const odd = { name: "odd", plugin: "./odd.ts", match: "rows" };
    const dbusd = start(dir, configOf(dir, { outputs: [odd] }));
    await said(dbusd, "dbus is running");
    expect(await stop(dbusd)).toBe(0);
    await bringRest(dir);
  },
  30_000,
);

test("fault 73: SIGTERM as soon as there is a data folder", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const dir = await runDir("stop-starting");
    const dbusd = start(dir, configOf(dir));
    await waitFor(() => existsSync(join(dir, "state")), { what: "the folder", intervalMs: 1 });
    expect(await stop(dbusd, signal)).toBe(0);
    await expectClean(dir);
  }
}, 30_000);

test("fault 73: SIGTERM under load, and again while it goes on with the rest", async () => {
  const dir = await runDir("stop-load");
  for (const signal of ["SIGTERM", "SIGINT", "SIGTERM"] as const) {
    const before = rowsIn(dir).length;
    const dbusd = start(dir, configOf(dir));
    await waitFor(() => rowsIn(dir).length > before + 200, { what: "rows" });
    expect(await stop(dbusd, signal)).toBe(0);
  }
  await expectClean(dir);
}, 30_000);

test("fault 73: SIGTERM while idle", async () => {
  const dir = await runDir("stop-idle");
  const dbusd = start(dir, configOf(dir, { input: { rate: 100_000 } }));
  await said(dbusd, "come to its end");
  await waitFor(() => rowsIn(dir).length === count, { what: "every row" });
  expect(await stop(dbusd)).toBe(0);
  await expectClean(dir);
}, 30_000);

test("fault 73: SIGTERM while paused", async () => {
  const dir = await runDir("stop-paused");
  const dbusd = start(dir, configOf(dir));
  await said(dbusd, "dbus is running");
  const admin = /"admin":"([^"]+)"/.exec(dbusd.err())?.[1] ?? "";
  await waitFor(() => rowsIn(dir).length > 100, { what: "rows" });
  const dbc = startCommand([...dbcCommand, "--admin", admin, "pause", "rows"], { cwd: dir });
  expect(await dbc.ended()).toBe(0);
  expect(await stop(dbusd)).toBe(0);
  await expectClean(dir);
}, 30_000);

test("fault 73: SIGTERM while an output tries again, and while one is blocked", async () => {
  for (const way of ["retrying", "blocked"] as const) {
    const dir = await runDir(`stop-${way}`);
    const fifo = join(dir, "fifo");
    await command(["mkfifo", fifo]);
    const retrying = { plugin: "MockOutput", failRate: 1, retryAfterMs: 10_000 };
    const blocked = { plugin: "StreamOutput", file: fifo };
    const stuck = { name: "stuck", match: "rows", ...(way === "blocked" ? blocked : retrying) };
    const dbusd = start(dir, configOf(dir, { input: { rate: 100_000 }, outputs: [stuck] }));
    // As far as the credit of the other edge goes.
    await waitFor(() => rowsIn(dir).length >= credit, { what: "a part of it beside" });
    expect(await stop(dbusd)).toBe(0);
    expect(dbusd.err()).toContain("STOP_DEADLINE");
    // What the stuck one has not taken comes again, also to the other one; no more than that.
    const settled = await checkpointIn(dir);
    const written = rowsIn(dir).length;
    expect(settled).toBeLessThan(written);
    expect(await bringRest(dir)).toBe(written - settled);
  }
}, 60_000);

test("fault 73: SIGTERM while an input waits to be started again", async () => {
  const dir = await runDir("stop-backoff");
  const missing = { name: "gone", plugin: "StreamInput", file: join(dir, "gone.log") };
  const config = configOf(dir);
  const outputs = [{ ...config.outputs[0], match: ["rows", "gone"] }];
  const dbusd = start(dir, { ...config, inputs: [...config.inputs, missing], outputs });
  await said(dbusd, /gone\.\S* failed; again in/);
  await waitFor(() => rowsIn(dir).length > 100, { what: "rows" });
  expect(await stop(dbusd)).toBe(0);
  await expectClean(dir);
}, 30_000);

test("fault 73: a second SIGTERM ends it at once", async () => {
  const dir = await runDir("stop-twice");
  const stuck = { name: "stuck", plugin: "MockOutput", match: "rows", failRate: 1 };
  const config = configOf(dir, { outputs: [{ ...stuck, retryAfterMs: 10_000 }] });
  const dbusd = start(dir, { ...config, bus: { ...config.bus, stopDeadlineMs: 600_000 } });
  await waitFor(() => rowsIn(dir).length > 100, { what: "rows" });
  dbusd.kill("SIGTERM");
  await said(dbusd, "stopping: SIGTERM");
  const again = () => {
    if (dbusd.running) dbusd.kill("SIGTERM");
    return !dbusd.running;
  };
  await waitFor(again, { what: "the second one to end it", intervalMs: 100 });
  expect(await dbusd.ended()).toBe(143);
  expect(await checkpointIn(dir)).toBe(0);
  await bringRest(dir);
}, 30_000);

const disks = await useStarted("a full disk", async () => smallDisk("2m", afterAll));

disks.test(
  "fault 73: SIGTERM while the state's disk is full says that the last checkpoint is missing",
  async ({ dir: disk }) => {
    const dir = await runDir("stop-full");
    // So many that commits go on until SQLite has used up the room that its log has already.
    const total = 80_000;
    const config = (rate: number) => ({
      ...configOf(dir, { input: { count: total, rate } }),
      state: { dir: join(disk, "state") },
    });
    const dbusd = start(dir, config(2_000));
    await waitFor(() => rowsIn(dir).length > 200, { what: "rows" });
    const ballast = join(disk, "ballast");
    const fill = () => {
      for (let size = 1 << 20; size >= 1; size = Math.floor(size / 2)) {
        try {
          for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: "a" });
        } catch {
          // Full for this size: a smaller one may still fit.
        }
      }
    };
    // SQLite makes room by carrying its log over: that is taken too.
    const refused = () => {
      fill();
      return dbusd.err().includes("checkpoints cannot be committed");
    };
    await waitFor(refused, { what: "checkpoints cannot be committed", timeoutMs: 40_000 });
    expect(await stop(dbusd)).toBe(3);
    expect(dbusd.err()).toContain("the last checkpoint could not be committed");
    rmSync(ballast);
    const rows = rowsIn(dir);
    const rest = config(100_000);
    const next = start(dir, { ...rest, bus: { ...rest.bus, onFinished: "exit" } });
    expect(await next.ended()).toBe(0);
    const all = rowsIn(dir);
    expect(new Set(all).size).toBe(total);
    expect(all.slice(0, rows.length)).toEqual(rows);
  },
  90_000,
);

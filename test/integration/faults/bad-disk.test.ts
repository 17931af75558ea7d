import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../../services/command.ts";
import { useStarted } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { systemTool } from "../../services/system-tools.ts";
import { dbusdCommand, startCommand } from "../../support/command.ts";
import { smallDisk } from "../../support/small-disk.ts";

/* Disks that fail as strace tells them to, and data folders that may not be written. */
const tools = await useStarted("strace and a disk of its own", async () => {
  const strace = Bun.which("strace");
  if (strace === null) throw new Error("strace is not installed");
  return { strace, ...smallDisk("4m", afterAll) };
});
const setpriv = await systemTool("setpriv");

const count = 600;

function configOf(dir: string, state = join(dir, "state")): string {
  const rows = { name: "rows", plugin: "MockInput", payload: "rows", count, rate: 1_500 };
  const retry = { delayMs: 10, delayMsMax: 20 };
  const copy = { name: "copy", plugin: "StreamOutput", match: "rows", retry };
  const config = {
    bus: { checkpointIntervalMs: 10, onFinished: "exit", stopDeadlineMs: 5_000 },
    state: { dir: state },
    admin: { enabled: false },
    inputs: [rows],
    outputs: [{ ...copy, file: join(dir, "rows.ndjson"), batch: { countMax: 20, lingerMs: 0 } }],
  };
  writeFileSync(join(dir, "c.yaml"), JSON.stringify(config));
  return join(dir, "c.yaml");
}

const rowsIn = (dir: string) =>
  readFileSync(join(dir, "rows.ndjson"), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { pos: number }).pos);
const everyRow = Array.from({ length: count }, (_, n) => n);

/** A whole life under strace: its exit code, its log, and the traced calls on `path`. */
function traced(strace: string, dir: string, path: string, inject: string, config: string) {
  const trace = join(dir, "trace");
  const calls = "openat,close,write,pwrite64,fsync,fdatasync,ftruncate";
  const argv = ["-f", "-qq", "-P", path, "-o", trace, "-e", `trace=${calls}`];
  const options = { encoding: "utf8", timeout: 40_000, killSignal: "SIGKILL" } as const;
  const run = [...argv, "-e", `inject=${inject}`, ...dbusdCommand, config];
  const { status, stderr } = spawnSync(strace, run, options);
  return { status, log: stderr, trace: readFileSync(trace, "utf8") };
}

tools.test(
  "fault 80: a file whose sync failed is never synced again, but opened anew, whole, without a loss or a double",
  async ({ strace }) => {
    const dir = await runDir("eio-output");
    const path = join(dir, "rows.ndjson");
    writeFileSync(path, "");
    const inject = "fsync,fdatasync:error=EIO:when=3..4";
    const { status, log, trace } = traced(strace, dir, path, inject, configOf(dir));
    expect([status, log.includes("STREAM_UNWRITABLE")]).toEqual([0, true]);
    expect(rowsIn(dir)).toEqual(everyRow);
    // After the failure no call but the truncation and the close goes to that handle.
    const lines = trace.split("\n").filter((line) => !line.includes("unfinished"));
    const failures = lines.flatMap((line, at) => (line.includes("EIO") ? [at] : []));
    expect(failures.length).toBeGreaterThan(0);
    for (const at of failures) {
      const next = lines.slice(at + 1).find((line) => !/ftruncate|close/.test(line));
      expect(next).toContain("openat(");
    }
  },
  60_000,
);

tools.test(
  "fault 82: a data folder that becomes read-only holds the checkpoint back, says so, and costs nothing afterwards",
  async ({ strace }) => {
    const dir = await runDir("erofs-state");
    const wal = join(dir, "state", "state.db-wal");
    const inject = "pwrite64:error=EROFS:when=30..200";
    const { status, log } = traced(strace, dir, wal, inject, configOf(dir));
    expect(log).toContain("checkpoints cannot be committed");
    expect(log).toContain("STATE_UNWRITABLE");
    // Whether it could be written again by the end is a matter of how fast it was.
    expect([0, 3]).toContain(status as number);
    const again = startCommand([...dbusdCommand, join(dir, "c.yaml")], { cwd: dir });
    expect(await again.ended()).toBe(0);
    const rows = rowsIn(dir);
    expect([...new Set(rows)]).toEqual(everyRow);
    if (status === 0) expect(rows).toEqual(everyRow);
  },
  60_000,
);

tools.test(
  "fault 82: a data folder on a read-only mount is refused at the start, and left as it is",
  async ({ dir: disk }) => {
    const dir = await runDir("read-only");
    const state = join(disk, "state");
    const first = startCommand([...dbusdCommand, configOf(dir, state)], { cwd: dir });
    expect(await first.ended()).toBe(0);
    const before = readFileSync(join(state, "state.db"));
    await command(["mount", "-o", "remount,ro", disk]);
    try {
      const refused = startCommand([...dbusdCommand, configOf(dir, state)], { cwd: dir });
      expect(await refused.ended()).toBe(3);
      expect(refused.err()).toMatch(/STATE_UNWRITABLE/);
      expect(refused.err()).toContain(disk);
      const elsewhere = configOf(dir, join(disk, "new"));
      const second = startCommand([...dbusdCommand, elsewhere], { cwd: dir });
      expect(await second.ended()).toBe(3);
      expect(second.err()).toMatch(/STATE_UNWRITABLE/);
    } finally {
      await command(["mount", "-o", "remount,rw", disk]);
    }
    expect(readFileSync(join(state, "state.db")).equals(before)).toBe(true);
    const last = startCommand([...dbusdCommand, configOf(dir, state)], { cwd: dir });
    expect(await last.ended()).toBe(0);
    expect(rowsIn(dir)).toEqual(everyRow);
  },
  60_000,
);

test("fault 82: a data folder of somebody else is refused, with the path and a remedy", async () => {
  if (process.getuid?.() !== 0) throw new Error("only root can become somebody else");
  const dir = await runDir("foreign");
  chmodSync(dir, 0o755);
  const state = join(dir, "state");
  mkdirSync(state, { mode: 0o700 });
  const config = configOf(dir, state);
  const bun = join(dir, "bun");
  await command(["cp", process.execPath, bun]);
  const nobody = [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups"];
  const run = async () => {
    const started = startCommand([...nobody, bun, ...dbusdCommand.slice(1), config], {
      cwd: dir,
      env: { HOME: dir },
    });
    return { code: await started.ended(), said: started.err() };
  };
  for (const mode of [0o700, 0o755]) {
    chmodSync(state, mode);
    const { code, said } = await run();
    expect([code, said]).toEqual([3, expect.stringContaining("STATE_UNWRITABLE")]);
    expect(said).toContain(state);
    expect(said).toContain("permissions");
  }
  chownSync(state, 65_534, 65_534);
  writeFileSync(join(dir, "rows.ndjson"), "");
  chownSync(join(dir, "rows.ndjson"), 65_534, 65_534);
  expect(await run()).toMatchObject({ code: 0 });
  expect(existsSync(join(state, "state.db"))).toBe(true);
  expect(rowsIn(dir)).toEqual(everyRow);
}, 60_000);

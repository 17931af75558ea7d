// test-timeout: 30m
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { useStarted } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { systemTool } from "../../services/system-tools.ts";
import { type Random, seededRandom, testSeed, waitFor } from "../../support/index.ts";
import { aMoment, checkLeft, type KillLane, killLane, type Left } from "../../support/kill-lane.ts";

/*
 * DBUS_CRASH_ROUNDS=1000 bun run test kill-loop
 *
 * is the long form; every system call of the state's path is its second half.
 */
const rounds = Number(process.env.DBUS_CRASH_ROUNDS ?? 30);
const setpriv = await systemTool("setpriv");
// The daemon starts itself again to set this for its runtime, unless it is set: half of the time.
const env = { ...process.env, BUN_JSC_forceRAMSize: String(384 << 20) };

function start(lane: KillLane) {
  const log = join(lane.dir, "dbusd.log");
  appendFileSync(log, "--- start\n");
  const argv = [setpriv, "--pdeathsig", "KILL", ...lane.argv];
  const child = Bun.spawn(["sh", "-c", 'exec "$@" >>"$0" 2>&1', log, ...argv], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    env,
  });
  const running = () => child.exitCode === null && child.signalCode === null;
  return { child, running, log: () => readFileSync(log, "utf8") };
}

const killedIn = { start: 0, run: 0, stop: 0 };

/** Starts it and kills it: while it starts, while rows move, or while it stops. */
async function killOnce(lane: KillLane, random: Random): Promise<number> {
  const moment = random.pick(["start", "run", "run", "stop"] as const);
  lane.append(1_000);
  const before = lane.written();
  const { child, running, log } = start(lane);
  if (moment === "start") {
    await aMoment(random, 250);
  } else {
    const moving = () => {
      if (!running()) throw new Error(`dbusd ended by itself:\n${log().slice(-3_000)}`);
      return lane.written() > before;
    };
    await waitFor(moving, { what: "rows to move", intervalMs: 4, timeoutMs: 30_000 });
    await aMoment(random, 150);
    if (moment === "stop") {
      child.kill("SIGTERM");
      await aMoment(random, 40);
    }
  }
  // One that has come to the end of its stop was too fast: that is no kill.
  if (running()) killedIn[moment]++;
  else expect([moment, child.exitCode]).toEqual(["stop", 0]);
  child.kill("SIGKILL");
  await child.exited;
  return Date.now();
}

/** A run that is not killed brings all, commits all, and the next one repeats nothing. */
async function endWell(lane: KillLane): Promise<Left> {
  // Both files may be whole already, with much of them still to be written again: what is new shows
  // that this run has come past all of that.
  const rows = Math.max(-1, ...lane.left().rows);
  lane.append(1);
  const { child, running, log } = start(lane);
  const last = lane.appended - 1;
  const whole = () => {
    if (!running()) throw new Error(`dbusd ended by itself:\n${log().slice(-3_000)}`);
    const left = lane.left();
    return left.log.at(-1) === last && (left.rows.at(-1) ?? -1) > rows;
  };
  await waitFor(whole, { what: `line ${last}`, timeoutMs: 60_000, intervalMs: 50 });
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  return lane.left();
}

test(`fault 72: ${rounds} kills at random moments lose nothing and repeat no more than the bound`, async () => {
  const random = seededRandom(testSeed("kill loop"));
  const lane = killLane(join(await runDir("kill-loop"), "lane"));
  let before: Left | undefined;
  let again = 0;
  for (let round = 0; round < rounds; round++) {
    const killedAt = await killOnce(lane, random);
    const left = lane.left();
    try {
      again += checkLeft(left, before, killedAt);
    } catch (error) {
      const log = readFileSync(join(lane.dir, "dbusd.log"), "utf8").slice(-3_000);
      throw new Error(`round ${round}: ${error}\n${log}`, { cause: error });
    }
    before = left;
  }
  const left = await endWell(lane);
  expect(checkLeft(left, before, Date.now())).toBe(0);
  expect(left.logDone).toBe(lane.appended);
  // Each number comes again only by a kill, and never more than was left open by all of them.
  const twice = left.log.length - left.logDone + left.rows.length - left.rowsDone;
  expect(twice).toBeLessThanOrEqual(again);
  expect(killedIn.run).toBeGreaterThan(0);
  const { start: early, run, stop } = killedIn;
  process.stderr.write(
    `[kill loop] killed ${early} times in a start, ${run} amid rows, ${stop} in a stop; ` +
      `${left.logDone + left.rowsDone} packets, ${twice} of them came twice\n`,
  );
}, 1_800_000);

const tools = await useStarted("strace", async () => {
  const strace = Bun.which("strace");
  if (strace === null) throw new Error("strace is not installed");
  return { strace };
});

/** What SQLite writes the state with, all of it on the main thread. */
const calls = "openat,pwrite64,fsync,fdatasync,ftruncate,unlink,fchmod";

/** Each call of a trace, and the how-manieth of its name it is: strace counts each name by itself. */
function callsOf(trace: string): { name: string; when: number }[] {
  const seen = new Map<string, number>();
  return [...trace.matchAll(/^\d+ +([a-z0-9]+)\(/gm)].map(([, name = ""]) => {
    const when = (seen.get(name) ?? 0) + 1;
    seen.set(name, when);
    return { name, when };
  });
}

/** A whole life of a bus that ends by itself, traced, and killed at a system call if told. */
function tracedLife(strace: string, lane: KillLane, inject: readonly string[]): number {
  const state = join(lane.dir, "state", "state.db");
  const argv = ["-f", "-qq", "-P", state, "-P", `${state}-wal`, "-P", `${state}-shm`];
  argv.push("-o", join(lane.dir, "trace"), "-e", `trace=${calls}`, ...inject, ...lane.argv);
  return life([strace, ...argv]);
}

/** The exit code; -1 when it was killed. */
function life([program = "", ...argv]: readonly string[]): number {
  const options = { env, stdio: "ignore", timeout: 30_000, killSignal: "SIGKILL" } as const;
  return spawnSync(program, argv, options).status ?? -1;
}

tools.test(
  "fault 72: killed at each system call of its state, from the start to the end of the stop, it loses nothing",
  async ({ strace }) => {
    const parent = await runDir("kill-calls");
    const count = 300;
    const laneOf = (name: string) => {
      const lane = killLane(join(parent, name), { rows: count });
      lane.append(count);
      return lane;
    };
    const whole = laneOf("whole");
    expect(tracedLife(strace, whole, [])).toBe(0);
    const all = callsOf(readFileSync(join(whole.dir, "trace"), "utf8"));
    expect(all.length).toBeGreaterThan(30);
    const some = seededRandom(testSeed("kill calls")).shuffle(all).slice(0, 8);
    let kills = 0;
    const tried = process.env.DBUS_CRASH_ROUNDS ? all : some;
    for (const { name, when } of tried) {
      const lane = laneOf(`${name}-${when}`);
      const status = tracedLife(strace, lane, ["-e", `inject=${name}:signal=KILL:when=${when}`]);
      if (status !== 0) kills++;
      const left = lane.left();
      checkLeft(left, undefined, Date.now());
      const second = life(lane.argv);
      const end = lane.left();
      const at = `${name} ${when}`;
      expect([at, second, end.rowsDone, end.logDone]).toEqual([at, 0, count, count]);
      expect(checkLeft(end, left, Date.now())).toBe(0);
      const open = new Set(left.rows).size - left.rowsDone;
      expect(end.rows.length - count).toBeLessThanOrEqual(status === 0 ? 0 : open);
      rmSync(lane.dir, { recursive: true });
    }
    process.stderr.write(`[kill calls] ${kills} kills at ${all.length} system calls\n`);
    // A life may have some calls fewer than the one that was traced, never half of them.
    expect(kills).toBeGreaterThan(tried.length / 2);
  },
  1_800_000,
);

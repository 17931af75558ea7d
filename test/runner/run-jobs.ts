import { dirname } from "node:path";
import { type JobResult, readResult } from "./job-result.ts";
import { type Job, root } from "./plan.ts";
import { serveServices } from "./serve-services.ts";

const started = Date.now();
const running = new Map<Job, { readonly pid: number; readonly since: number }>();

/** Runs the jobs, some at once, over servers that they share, and stops the servers again. */
export async function runJobs(jobs: readonly Job[], atOnce: number): Promise<JobResult[]> {
  const services = serveServices();
  const leave = (signal: NodeJS.Signals): void => {
    for (const { pid } of running.values()) killGroup(pid);
    say(`stopped by ${signal}`);
    // The servers end with this process.
    process.exit(130);
  };
  process.on("SIGINT", leave);
  process.on("SIGTERM", leave);
  const heartbeat = setInterval(sayRunning, 30_000);
  const queue = [...jobs];
  const results: JobResult[] = [];
  const worker = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const result = await runJob(job, services.url);
      results.push(result);
      sayResult(result, results.length, jobs.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, worker));
  } finally {
    clearInterval(heartbeat);
    await services.stop();
  }
  return results;
}

async function runJob(job: Job, servicesUrl: string): Promise<JobResult> {
  const since = Date.now();
  // SIGKILL to us reaches the job too, and by that the servers that it started itself.
  const head = Bun.which("setpriv") === null ? [] : ["setpriv", "--pdeathsig", "TERM"];
  const merge = ["sh", "-c", 'exec "$@" 2>&1', "sh"];
  const where = { DBUS_TEST_SERVICES: servicesUrl };
  const child = Bun.spawn([...head, ...merge, process.execPath, "test", ...job.args], {
    cwd: root,
    env: { ...process.env, ...secrets, PATH: pathWithBun(), ...quiet, ...where },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    detached: true,
  });
  running.set(job, { pid: child.pid, since });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid);
  }, job.timeoutMs);
  const output = collect(child.stdout);
  const code = await child.exited;
  clearTimeout(timer);
  // What a test left behind would hold the pipe open, and the machine busy.
  killGroup(child.pid);
  running.delete(job);
  const said = await Promise.race([output.done, Bun.sleep(5_000).then(() => output.soFar())]);
  const leaked = output.leaked();
  return readResult({ job, output: said, code, timedOut, leaked, ms: Date.now() - since });
}

/**
 * A secret that every process of the run has in its environment, and dbc sends as its token: a job
 * that prints it, or finds it in what a daemon wrote, has failed (S4).
 */
const canary = `canary-${crypto.randomUUID()}`;
const secrets = { DBUS_TEST_CANARY: canary, DBUS_TOKEN: canary };
const quiet = { NO_COLOR: "1" };

/** Bun may be on PATH for this process only by the name that started it. */
function pathWithBun(): string {
  return `${dirname(process.execPath)}:${process.env.PATH ?? ""}`;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The whole group has ended, as it should.
  }
}

const outputMax = 4 * 1024 * 1024;

/** What a job printed, the end of it when it is much: whole, or so far if the pipe stays open. */
type Output = { readonly done: Promise<string>; soFar(): string; leaked(): boolean };

/** Collects what a job prints; what people wait for is passed on. */
function collect(stream: ReadableStream<Uint8Array>): Output {
  let output = "";
  let leaked = false;
  const read = async (): Promise<string> => {
    const decoder = new TextDecoder();
    let line = "";
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      leaked ||= (output.slice(-canary.length) + text).includes(canary);
      output = (output + text).slice(-outputMax);
      const lines = (line + text).split("\n");
      line = lines.pop() ?? "";
      for (const full of lines) if (/^\[(services|seed)\b/.test(full)) passOn(full);
    }
    return output;
  };
  return { done: read(), soFar: () => output, leaked: () => leaked };
}

function passOn(line: string): void {
  process.stderr.write(`${line}\n`);
}

function sayRunning(): void {
  for (const [job, { since }] of running) {
    say(`still running: ${job.name}, for ${seconds(Date.now() - since)}`);
  }
}

function sayResult(result: JobResult, done: number, of: number): void {
  const verdict = result.failed > 0 ? "FAIL" : "ok  ";
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : "";
  const counts = `${result.passed} passed, ${result.failed} failed${skipped}`;
  say(`${verdict} ${done}/${of} ${result.job.name}: ${counts} (${seconds(result.ms)})`);
}

function say(text: string): void {
  process.stdout.write(`[${seconds(Date.now() - started)}] ${text}\n`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

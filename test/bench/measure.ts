import { readFileSync } from "node:fs";
import { systemTool } from "../services/system-tools.ts";

/** What a whole process took until now: its peak memory, and user plus system time. */
export type Usage = { readonly rssMiBMax: number; readonly cpuSeconds: number };

export type MeasuredOptions = {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Where standard error goes, and standard output unless it is captured. */
  readonly logFile: string;
};

export type Measured = {
  readonly pid: number;
  /** The `performance.now()` at which it was started. */
  readonly startedAt: number;
  readonly running: boolean;
  usage(): Usage;
  /** What it has printed on standard output, complete once it has ended. */
  readonly output: Promise<string>;
  readonly exited: Promise<number>;
  /** The last lines of its log, for people. */
  logTail(): Promise<string>;
  /** SIGTERM, and SIGKILL ten seconds later. */
  stop(): Promise<void>;
};

/**
 * Starts a program as a process of its own and watches it. The peak is the kernel's `VmHWM`, which
 * a sample can only read late, never miss; it is not taken from `wait4`, whose figure begins at
 * the size of the process that forked. The child dies with this process.
 */
export async function startMeasured(
  argv: readonly string[],
  options: MeasuredOptions,
): Promise<Measured> {
  const setpriv = await systemTool("setpriv");
  const startedAt = performance.now();
  const child = Bun.spawn([setpriv, "--pdeathsig", "KILL", ...argv], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: Bun.file(options.logFile),
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let usage: Usage = { rssMiBMax: 0, cpuSeconds: 0 };
  const sample = (): Usage => {
    usage = readUsage(child.pid) ?? usage;
    return usage;
  };
  const timer = setInterval(sample, 50);
  const exited = child.exited.then((code) => {
    clearInterval(timer);
    const times = child.resourceUsage()?.cpuTime.total;
    if (times !== undefined) usage = { ...usage, cpuSeconds: Number(times) / 1e6 };
    return code;
  });
  const running = () => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid,
    startedAt,
    get running() {
      return running();
    },
    usage: () => (running() ? sample() : usage),
    output: new Response(child.stdout).text(),
    exited,
    logTail: async () =>
      (await Bun.file(options.logFile).text()).trimEnd().split("\n").slice(-8).join("\n"),
    stop: async () => {
      if (running()) child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await exited;
      clearTimeout(killer);
    },
  };
}

/** `VmHWM` of /proc/PID/status, and utime plus stime of /proc/PID/stat; null once it is gone. */
export function readUsage(pid: number): Usage | null {
  try {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    if (peak === undefined) return null;
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name, in brackets, and may hold spaces: count from behind it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { rssMiBMax: Number(peak) / 1024, cpuSeconds: ticks / ticksPerSecond };
  } catch {
    return null;
  }
}

/** Linux reports process times in hundredths of a second whatever its own clock does. */
const ticksPerSecond = 100;

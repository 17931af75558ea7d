import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";
import { detachedDir, noteDetached } from "./detached.ts";
import { progress } from "./progress.ts";
import { systemTool } from "./system-tools.ts";

/** How to start a server and how to learn that it answers. */
export type ServerSpec = {
  readonly name: string;
  readonly argv: readonly string[];
  /** Arguments of setpriv(1) that make it another user's process. */
  readonly asUser?: readonly string[];
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly logFile: string;
  /** Answers true as soon as the server speaks its protocol; false or a throw means not yet. */
  readonly ready: () => Promise<boolean>;
  readonly readyMsMax?: number;
};

/** Where a server runs that is not to be on the loopback of this machine. */
export type Elsewhere = {
  /** Its network namespace, as ip(8) names it. */
  readonly namespace: string;
  /** Its address there, which this process can reach. */
  readonly host: string;
};

/** The head of the command line of a server that runs there. */
export function within(at: Elsewhere | undefined): readonly string[] {
  return at === undefined ? [] : ["ip", "netns", "exec", at.namespace];
}

/** A started server; `start` after a stop or kill runs it again on the same ports and data. */
export type ServerProcess = {
  readonly pid: number;
  readonly running: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  exited(): Promise<void>;
};

/**
 * Starts a server. It is a direct child that asks the kernel for SIGKILL at the end of this
 * process (`setpriv --pdeathsig`), so that nothing stays behind however the tests end.
 */
export async function startServer(spec: ServerSpec): Promise<ServerProcess> {
  let child: Bun.Subprocess<"ignore", number, number> | undefined;
  const start = async (): Promise<void> => {
    const setpriv = await systemTool("setpriv");
    const user = spec.asUser ?? [];
    const asUser = user.length > 0 ? [setpriv, ...user] : [];
    const head =
      detachedDir() !== undefined
        ? ["setsid", ...asUser]
        : [setpriv, ...user, "--pdeathsig", "KILL"];
    const log = openSync(spec.logFile, "a");
    try {
      child = Bun.spawn([...head, ...spec.argv], {
        stdin: "ignore",
        stdout: log,
        stderr: log,
        env: { ...process.env, ...spec.env },
        ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
      });
      child.unref();
      children.add(child);
      if (detachedDir() !== undefined) noteDetached(child.pid);
    } finally {
      closeSync(log);
    }
    await becomeReady(spec, child);
  };
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // A stopped process does not see SIGTERM before it is continued.
    child.kill("SIGCONT");
    child.kill("SIGTERM");
    const killer = setTimeout(() => child?.kill("SIGKILL"), 15_000);
    await child.exited;
    clearTimeout(killer);
    children.delete(child);
  };
  await start().catch(async (error: unknown) => {
    child?.kill("SIGKILL");
    throw error;
  });
  return {
    get pid() {
      return child?.pid ?? 0;
    },
    get running() {
      return child !== undefined && child.exitCode === null && child.signalCode === null;
    },
    start,
    stop,
    kill: (signal) => child?.kill(signal),
    exited: async () => void (await child?.exited),
  };
}

const children = new Set<Bun.Subprocess>();
process.on("exit", () => {
  if (detachedDir() !== undefined) return;
  for (const child of children) child.kill("SIGKILL");
});

async function becomeReady(spec: ServerSpec, child: Bun.Subprocess): Promise<void> {
  const started = Date.now();
  const limit = spec.readyMsMax ?? 60_000;
  while (Date.now() - started < limit) {
    if (child.exitCode !== null || child.signalCode !== null) {
      const how = child.signalCode ?? `code ${child.exitCode}`;
      throw new Error(`${spec.name} ended with ${how} while starting:\n${await tail(spec)}`);
    }
    if (await spec.ready().catch(() => false)) {
      progress(`${spec.name}: ready after ${Date.now() - started} ms`);
      return;
    }
    await Bun.sleep(50);
  }
  throw new Error(`${spec.name} did not answer within ${limit} ms:\n${await tail(spec)}`);
}

async function tail(spec: ServerSpec): Promise<string> {
  const text = await Bun.file(spec.logFile)
    .text()
    .catch(() => "");
  return text.trim().split("\n").slice(-12).join("\n");
}

/**
 * Connects, sends `request` and returns the answer's first bytes, at least `bytesMin` of them.
 * Throws when the server refuses, closes or says nothing for a second.
 */
export function ask(
  port: number,
  request: Uint8Array,
  bytesMin = 1,
  host = "127.0.0.1",
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let answer: Buffer = Buffer.alloc(0);
    const fail = (why: string) => {
      socket.destroy();
      reject(new Error(why));
    };
    socket.setTimeout(1_000, () => fail("no answer"));
    socket.on("error", reject);
    socket.on("connect", () => void (request.length > 0 && socket.write(request)));
    socket.on("close", () => reject(new Error("closed")));
    socket.on("data", (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length < bytesMin) return;
      resolve(answer);
      socket.destroy();
    });
  });
}

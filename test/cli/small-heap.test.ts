import { expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useStarted } from "../services/index.ts";
import { waitFor } from "../support/index.ts";

/** What a process was started with can be read on Linux only. */
const processes = await useStarted("a look at processes", () => {
  return process.platform === "linux"
    ? Promise.resolve(null)
    : Promise.reject(new Error(`there is no /proc on ${process.platform}`));
});

const root = join(import.meta.dir, "../..");
const option = "BUN_JSC_forceRAMSize";

/** Runs dbusd until it says that it runs; answers what it was started with, and its exit code. */
async function runOnce(own: Record<string, string>) {
  const dir = mkdtempSync(join(tmpdir(), "dbus-heap-"));
  const file = join(dir, "dbus.yaml");
  const config = {
    ...{ state: { dir: join(dir, "state") }, admin: { port: 0 } },
    inputs: [{ name: "source", plugin: "MockInput", rate: 1 }],
    outputs: [{ name: "sink", plugin: "MockOutput", match: "source" }],
  };
  await Bun.write(file, JSON.stringify(config));
  const log = join(dir, "log");
  const { [option]: _, ...inherited } = process.env;
  const child = Bun.spawn([process.execPath, "src/cli/dbusd.ts", file], {
    ...{ cwd: root, stdin: "ignore", stdout: "ignore", stderr: Bun.file(log) },
    env: { ...inherited, ...own },
  });
  try {
    const running = async () => (await Bun.file(log).text()).includes("dbus is running");
    await waitFor(running, { what: "dbusd to run", timeoutMs: 20_000 });
    const environment = readFileSync(`/proc/${child.pid}/environ`, "utf8").split("\0");
    const words = readFileSync(`/proc/${child.pid}/cmdline`, "utf8").split("\0");
    child.kill("SIGTERM");
    await child.exited;
    return { environment, words, file, code: child.exitCode };
  } finally {
    child.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  }
}

processes.test(
  "dbusd runs with a small heap, as the process that was started, with its arguments",
  async () => {
    const { environment, words, file, code } = await runOnce({});
    expect(environment).toContain(`${option}=${384 * 1024 * 1024}`);
    expect(words).toContain(file);
    expect(code).toBe(0);
  },
  30_000,
);

processes.test(
  "a heap that somebody chose stays as it was chosen",
  async () => {
    const { environment, code } = await runOnce({ [option]: "1073741824" });
    expect(environment).toContain(`${option}=1073741824`);
    expect(code).toBe(0);
  },
  30_000,
);

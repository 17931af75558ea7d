import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { openState } from "#src/state/open-state.ts";
import { useStarted } from "../services/index.ts";
import { stateDirs } from "../support/state-dirs.ts";

const newDir = stateDirs("failing");
const key = { input: "in", resource: "r", partition: "0" };

/** strace makes system calls fail, which no disk does when it is asked to. */
const tools = await useStarted("strace", async () => {
  const strace = Bun.which("strace");
  if (strace === null) throw new Error("strace is not installed");
  return { strace };
});

/** What a writer of 200 checkpoints says while its system calls fail as `inject` tells. */
function write(strace: string, dir: string, inject: string): string[] {
  const calls = inject.split(":")[0] ?? "";
  const traced = ["-f", "-qq", "-o", "/dev/null", "-e", `trace=${calls}`, "-e", `inject=${inject}`];
  const holder = [process.execPath, join(import.meta.dir, "holder.ts"), dir, "persist"];
  const options = { encoding: "utf8", timeout: 30_000, killSignal: "SIGKILL" } as const;
  const { stdout, status } = spawnSync(strace, [...traced, ...holder], options);
  expect(status).toBe(0);
  return stdout.trimEnd().split("\n");
}

for (const inject of ["fsync,fdatasync:error=EIO:when=20..22", "pwrite64:error=EIO:when=60..62"]) {
  tools.test(
    `${inject}: what was told to be durable is, and it goes on afterwards (fault 80)`,
    async ({ strace }) => {
      const dir = newDir();
      const lines = write(strace, dir, inject);
      const refused = lines.filter((line) => line.startsWith("refused"));
      expect(refused.length).toBeWithin(1, 10);
      expect(new Set(refused)).toEqual(new Set(["refused STATE_UNWRITABLE"]));
      expect(lines.at(-1)).toBe("done 200");
      const state = await openState({ dir });
      expect(await state.checkpoints.get(key)).toMatchObject({ position: "200" });
      const kept = new Set(state.gaps.list().map(({ to }) => `done ${to}`));
      const promised = lines.filter((line) => line.startsWith("done"));
      expect(promised.filter((line) => !kept.has(line))).toEqual([]);
      await state.close();
    },
  );
}

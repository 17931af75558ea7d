import { expect, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs a copy of .ci/run over a test command that is this script. */
async function ci(script: string): Promise<{ code: number; lines: string[] }> {
  const dir = mkdtempSync(join(tmpdir(), "dbus-ci-"));
  try {
    mkdirSync(join(dir, ".ci"));
    cpSync(join(import.meta.dir, "../.ci/run"), join(dir, ".ci/run"));
    writeFileSync(join(dir, "run"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(dir, "run"), 0o755);
    const child = Bun.spawn(["bash", ".ci/run"], { cwd: dir, stdout: "pipe", stderr: "inherit" });
    const output = await new Response(child.stdout).text();
    return { code: await child.exited, lines: output.trimEnd().split("\n") };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test("passes on the counts and the exit code of a good run", async () => {
  const { code, lines } = await ci('echo "CI=$CI $1"; echo "3 passed, 0 failed, 1 skipped"');
  expect(lines).toEqual(["CI=true test", "3 passed, 0 failed, 1 skipped"]);
  expect(code).toBe(0);
});

test("passes on a failing exit code", async () => {
  const { code, lines } = await ci('echo "2 passed, 1 failed"; exit 1');
  expect([code, lines.at(-1)]).toEqual([1, "2 passed, 1 failed"]);
});

test("counted failures fail the run even if the runner forgot its exit code", async () => {
  expect((await ci('echo "2 passed, 1 failed"')).code).toBe(1);
});

test("a runner that crashes before it counts is one failure, on the last line", async () => {
  const crashed = await ci("echo half way; exit 139");
  expect([crashed.code, crashed.lines.at(-1)]).toEqual([1, "0 passed, 1 failed"]);
  const silent = await ci("exit 0");
  expect([silent.code, silent.lines.at(-1)]).toEqual([1, "0 passed, 1 failed"]);
});

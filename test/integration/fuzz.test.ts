// test-timeout: 20m
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Failure, Summary } from "../fuzz/fuzz-child-options.ts";
import { decodeInput } from "../fuzz/fuzz-target.ts";
import { runTarget } from "../fuzz/run-target.ts";
import { targets } from "../fuzz/targets.ts";
import { testSeed } from "../support/random.ts";

const root = join(import.meta.dir, "../..");
const seconds = Number(process.env.DBUS_FUZZ_SECONDS ?? 20);

async function fuzz(...args: readonly string[]) {
  const child = Bun.spawn([process.execPath, "test/fuzz/run.ts", ...args], {
    ...{ cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { out, err, code: await child.exited };
}

test(
  "whatever comes in: no crash, no hang, no growth, no wrong row (S18)",
  async () => {
    const seed = String(testSeed("fuzz"));
    const asked = ["--seconds", String(seconds), "--seed", seed, "--jobs", "2", "--json"];
    const { out, err } = await fuzz(...asked);
    const { results } = JSON.parse(out) as { results: Summary[] };
    expect(results.map(({ target }) => target)).toEqual(targets.map(({ name }) => name));
    const failed = results.filter(({ failures }) => failures.length > 0);
    expect([failed.map(({ target }) => target), failed.length > 0 ? err : ""]).toEqual([[], ""]);
    for (const { target, cases, codes } of results) {
      expect([target, cases > 100, Object.keys(codes).length > 1]).toEqual([target, true, true]);
    }
  },
  (seconds * targets.length + 120) * 1000,
);

describe("what goes wrong is seen", () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  async function run(target: string, only: { case: number | null } = { case: null }) {
    const module = join(root, "test/fuzz/broken-targets.ts");
    const given = { module, seed: 5, seconds: 1, corpus: [], inputs: [], hangMs: 4_000 };
    const summary = await runTarget({ ...given, target, only });
    folders.push(...summary.failures.map(({ folder }) => folder));
    return summary;
  }

  /** Its input is in the folder that it names, and its case alone fails again. */
  async function checkReplay(target: string, failure: Failure) {
    expect(decodeInput(readFileSync(join(failure.folder, "input"))).bytes.length).toBe(4);
    expect(readFileSync(join(failure.folder, "report.txt"), "utf8")).toContain(failure.replay);
    expect(failure.replay).toBe(`bun run fuzz ${target} --seed 5 --case ${failure.case}`);
    const again = await run(target, { case: failure.case });
    expect(again.cases).toBe(1);
    expect(again.failures[0]?.case).toBe(failure.case);
  }

  for (const [target, what] of [
    ["throws", "undefined is not an object"],
    ["bug", "it does not hold"],
    ["wrong", "a row is another one"],
    ["hangs", "it did not end within 4000 ms"],
    ["dies", "the process ended with"],
    ["allocates", "one allocation of 1073741824 bytes"],
  ] as const) {
    test(`${target}: ${what}`, async () => {
      const { failures } = await run(target);
      expect(failures[0]?.what).toContain(what);
      await checkReplay(target, failures[0]!);
    }, 60_000);
  }

  test("what is thrown outside of every case", async () => {
    const { failures } = await run("later");
    expect(failures[0]?.what).toContain("thrown by a timer");
  });

  test("memory that grows with the cases", async () => {
    const { failures } = await run("leaks");
    expect(failures.map(({ what }) => what).join()).toMatch(/grew by \d+ MiB/);
  });

  test("and what is as it should be is counted", async () => {
    const { failures, codes, cases } = await run("code");
    expect(failures).toEqual([]);
    expect((codes.fine ?? 0) + (codes.BINLOG_CORRUPT ?? 0)).toBe(cases);
    expect(codes.BINLOG_CORRUPT).toBeGreaterThan(0);
  });
});

test("the command says what there is, and ends with 2 when it is asked wrongly", async () => {
  const help = await fuzz("--help");
  expect([help.code, help.err]).toEqual([0, ""]);
  for (const { name } of targets) expect(help.out).toContain(name);
  for (const args of [
    ["nothing"],
    ["--seconds", "0"],
    ["--sec", "1"],
    ["--case", "1"],
    ["ndjson", "--case", "1"],
  ]) {
    const { out, err, code } = await fuzz(...args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("bun run fuzz");
  }
});

test("the same seed gives the same cases, and the summary is one table", async () => {
  const [first, second] = await Promise.all(
    [1, 2].map(() => fuzz("ndjson", "--seed", "7", "--case", "3")),
  );
  expect(first?.code).toBe(0);
  const answers = (out = "") => out.split("\n").at(-2)?.split("|").at(-2);
  expect(answers(first?.out)).toBe(answers(second?.out));
  expect(first?.out).toMatch(/^\| target +\| seed +\| cases .*\n\| -+ .*\n\| ndjson /);
  expect(existsSync(join(root, "test/fixtures/fuzz"))).toBe(true);
});

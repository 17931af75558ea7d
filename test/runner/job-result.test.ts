import { expect, test } from "bun:test";
import { readResult } from "./job-result.ts";
import type { Job } from "./plan.ts";

const job: Job = {
  name: "test/integration/a.test.ts",
  files: ["test/integration/a.test.ts"],
  args: [],
  timeoutMs: 60_000,
};

const good = `bun test v1.4.5

test/integration/a.test.ts:
(pass) one [1.00ms]
(skip) two

 1 pass
 1 skip
 0 fail
Ran 2 tests across 1 file. [10.00ms]
`;

const bad = good.replace("(pass) one", "error: no\n(fail) one").replace(" 0 fail", " 1 fail");

const read = (output: string, code: number, timedOut = false) =>
  readResult({ job, output, code, timedOut, ms: 1 });

test("S4: a job that printed the secret of the run has failed, whatever passed", () => {
  const ended = { job, output: good, code: 0, timedOut: false, leaked: true, ms: 1 };
  expect(readResult(ended)).toMatchObject({ passed: 1, failed: 1 });
  expect(readResult(ended).failures[0]?.text).toContain("S4");
});

test("counts what bun counted", () => {
  expect(read(good, 0)).toMatchObject({
    passed: 1,
    failed: 0,
    skipped: 1,
    failures: [],
    skips: ["two"],
  });
});

test("counts them however long the output is", () => {
  for (let length = 0; length < 1_000; length += 50) {
    expect(read("x".repeat(length) + good, 0)).toMatchObject({ passed: 1, failed: 0 });
  }
});

test("a process that ran no test has shown nothing", () => {
  const empty = good.replace(" 1 pass", " 0 pass").replace(" 1 skip\n", "");
  expect(read(empty, 0)).toMatchObject({ passed: 0, failed: 1 });
});

test("shows the failing file without the tests that passed", () => {
  const result = read(bad, 1);
  expect(result.failed).toBe(1);
  expect(result.failures).toHaveLength(1);
  expect(result.failures[0]?.file).toBe(job.files[0]!);
  expect(result.failures[0]?.text).toContain("error: no");
  expect(result.failures[0]?.text).not.toContain("(skip)");
});

test("a process that dies before its summary has failed, whatever passed before", () => {
  const result = read(good.slice(0, good.indexOf("\n 1 pass")), 139);
  expect(result).toMatchObject({ passed: 1, failed: 1 });
  expect(result.failures[0]?.text).toContain("ended with 139");
});

test("a failing exit code after a clean summary is a failure", () => {
  expect(read(good, 1).failed).toBe(1);
});

test("a process that had to be killed at its time limit has failed", () => {
  const result = read(good, 0, true);
  expect(result.failed).toBe(1);
  expect(result.failures[0]?.text).toContain("did not end within 1 minutes");
});

test("an error outside of any test is shown with its file", () => {
  const output = good.replace(
    "(pass) one",
    "# Unhandled error between tests\nerror: late\n(pass) one",
  );
  expect(read(output.replace(" 0 fail", " 1 fail"), 1).failures[0]?.text).toContain("error: late");
});

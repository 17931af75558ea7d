import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { streamOutput } from "#plugins/output/stream/stream-output.ts";
import { fakeOutputContext } from "../../../support/fake-context.ts";
import { seededRandom, testSeed } from "../../../support/index.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const dir = tempDir("stream-process");
const writer = join(import.meta.dir, "writer.ts");
const numberOf = (line: string): number => JSON.parse(line).n;

test("after SIGKILL in the middle of a write no half line is left, and nothing that was done is gone", async () => {
  const random = seededRandom(testSeed("killed writer"));
  for (let round = 0; round < 3; round++) {
    const file = join(dir, `killed-${round}.ndjson`);
    const args = [writer, JSON.stringify({ file, fsync: "none" }), "Infinity", "20000"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    let told = "";
    const enough = random.int(3, 12);
    child.stderr.on("data", (chunk) => {
      told += chunk;
      if (told.split("\n").length > enough) child.kill("SIGKILL");
    });
    await new Promise((resolve) => child.on("close", resolve));
    const done = Math.max(...[...told.matchAll(/^done (\d+)$/gm)].map((found) => Number(found[1])));
    const { context } = fakeOutputContext({ name: "again" });
    const state = await streamOutput.open(context, streamOutput.configSchema.parse({ file }));
    await streamOutput.close?.(state);
    const found = readFileSync(file, "utf8").split("\n").slice(0, -1).map(numberOf);
    expect(found).toEqual(Array.from({ length: found.length }, (_, i) => i + 1));
    expect(found.length).toBeGreaterThanOrEqual(done);
  }
});

test("a slow reader of standard output gets every line, whole and once", async () => {
  const args = [writer, '{"stdout":true}', "20000", "500"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  let text = "";
  for await (const chunk of child.stdout) {
    text += chunk;
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
  }
  const found = text.split("\n").slice(0, -1).map(numberOf);
  expect(found).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1));
  expect(stderr).toEndWith("done 20000\n");
});

test("a reader of standard output that goes away is an error, not the end of the process", async () => {
  const args = [writer, '{"stdout":true}', "1000000", "500"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdout.once("data", () => child.stdout.destroy());
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on("close", (...how) => resolve(how));
  });
  expect(signal).toBeNull();
  expect(code).not.toBe(0);
  expect(stderr).toContain("STREAM_UNWRITABLE");
});

test("a pipe whose reader has gone away is an error too, and does not hang", async () => {
  const command = '"$0" "$1" "$2" 1000000 500 | head -n 1';
  const args = ["-c", command, process.execPath, writer, '{"stdout":true}'];
  const child = spawn("sh", args, { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  await new Promise((resolve) => child.on("close", resolve));
  expect(numberOf(stdout)).toBe(1);
  expect(stderr).toContain("its reader has gone away");
});

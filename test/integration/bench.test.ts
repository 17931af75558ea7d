import { expect, test } from "bun:test";
import { join } from "node:path";
import { z } from "zod";

const root = join(import.meta.dir, "../..");

const reportSchema = z.strictObject({
  bench: z.literal("dryrun"),
  results: z.array(
    z.strictObject({
      case: z.string(),
      rate: z.number().positive(),
      unit: z.literal("packets/s"),
      rssMiBMax: z.number().positive(),
      cpuSeconds: z.number().positive(),
      ratio: z.record(z.string(), z.number().positive()),
    }),
  ),
});

async function bench(...args: readonly string[]) {
  const child = Bun.spawn([process.execPath, "run", "bench", ...args], {
    ...{ cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { out, err, code: await child.exited };
}

test("the dry run prints one JSON object on standard output and nothing else there", async () => {
  const { out, err, code } = await bench("dryrun", "--json", "--seconds", "0.5");
  expect([code, err]).toEqual([0, expect.stringContaining("plain: the bus")]);
  const { results } = reportSchema.parse(JSON.parse(out));
  const cases = results.map((result) => result.case);
  expect(cases.slice(0, 3)).toEqual(["plain", "graph", "batch1"]);
  expect(results[0]?.ratio.raw).toBeGreaterThan(0);
  // A hundredth of the goal, on a machine that may be busy with other tests.
  expect(results[0]?.rate).toBeGreaterThan(100_000);
}, 120_000);

test("a bench that is not there, and a peer it does not have, end with 2 and say what there is", async () => {
  for (const args of [
    ["nothing"],
    [],
    ["dryrun", "--peer", "debezium"],
    ["dryrun", "--sec", "1"],
  ]) {
    const { out, err, code } = await bench(...args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("mysql-kafka");
  }
  const help = await bench("--help");
  expect([help.code, help.out]).toEqual([0, expect.stringContaining("bun run bench NAME")]);
}, 60_000);

import { expect, test } from "bun:test";
import { join } from "node:path";
import { runDir } from "../../services/run-dir.ts";
import { startDaemonProcess } from "../../support/daemon-process.ts";

const plugin = `
import { defineOutput } from "#plugin";
import { z } from "zod";
export const output = defineOutput({
  name: "Hopeless",
  summary: "crashes a moment after it was opened",
  configSchema: z.strictObject({}),
  open() {
    setTimeout(() => { throw new Error("hopeless"); }, 1);
    return {};
  },
  write() {},
});
`;

test("fault 75: crash after crash escalates from the group to the root, and ends with exit code 1", async () => {
  const dir = await runDir("escalation");
  await Bun.write(join(dir, "hopeless.ts"), plugin);
  const daemon = await startDaemonProcess({
    dir,
    config: {
      bus: { restarts: { intensity: 1 }, stopDeadlineMs: 100 },
      state: { dir: join(dir, "state") },
      inputs: [{ name: "in", plugin: "MockInput", rate: 10 }],
      outputs: [{ name: "out", plugin: "./hopeless.ts", match: "in" }],
    },
  });
  expect(await daemon.exited).toBe(1);
  const log = await daemon.log();
  const downs = [...log.matchAll(/"message":"(\S+) failed; (it stays down|again)/g)].map(
    ([, path, what]) => `${path} ${what}`,
  );
  const group = (times: number) =>
    Array.from({ length: times }, () => [
      "engine/pipeline/outputs/out again",
      "engine/pipeline/outputs/out it stays down",
    ]);
  const pipeline = (last: string) => [
    ...group(1).flat(),
    "engine/pipeline/outputs again",
    ...group(1).flat(),
    "engine/pipeline/outputs it stays down",
    `engine/pipeline ${last}`,
  ];
  expect(downs).toEqual([...pipeline("again"), ...pipeline("it stays down")]);
  // Whoever starts again with its group begins its backoff anew.
  const delays = [...log.matchAll(/outputs\/out failed; again in (\d+) ms/g)];
  expect(delays.filter(([, ms]) => Number(ms) > 250)).toEqual([]);
  expect(log).toContain("the supervision tree gave up");
  expect(log).toContain("nobody caught: hopeless");
});

// test-timeout: 30m
import { expect, test } from "bun:test";
import { join } from "node:path";
import { testSeed } from "../support/random.ts";
import { mutants } from "./cluster/mutants.ts";
import { runScenario } from "./cluster/scenario.ts";

/**
 * How many clusters, other ones in each run, and more of them in CI; `DBUS_CLUSTERS=10000` is the
 * long form, `DBUS_CLUSTER=<seed>` repeats one.
 */
const count = Number(process.env.DBUS_CLUSTERS ?? (process.env.CI ? 2_000 : 200));
const only = process.env.DBUS_CLUSTER;

test(
  "no cluster loses its one owner, its order or its way, whatever happens to it",
  async () => {
    const first = only === undefined ? testSeed("clusters") : Number(only);
    for (let n = 0; n < (only === undefined ? count : 1); n++) {
      const { wrong } = await runScenario(first + n);
      expect([`DBUS_CLUSTER=${first + n}`, wrong]).toEqual([
        `DBUS_CLUSTER=${first + n}`,
        undefined,
      ]);
    }
  },
  30 * 60_000,
);

test("one seed makes one world, to the last row", async () => {
  expect(await runScenario(1)).toEqual(await runScenario(1));
});

const folder = join(import.meta.dir, "cluster");

// The same seeds each time: a mutant is found or not, and never by luck.
test.each(mutants.map(({ name, mood = "" }) => [name, mood] as const))(
  "is seen when it is put in: %s",
  async (name, mood) => {
    const argv = ["--preload", join(folder, "mutate.ts"), join(folder, "seeds.ts"), "1", "800"];
    const child = Bun.spawn([process.execPath, ...argv, mood], {
      env: { ...process.env, DBUS_MUTANT: name },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [said, failed] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect([await child.exited, failed]).toEqual([1, ""]);
    expect(said).not.toStartWith("ok");
  },
  300_000,
);

// test-timeout: 20m
import { expect, test } from "bun:test";
import { join } from "node:path";
import { testSeed } from "../support/random.ts";
import { mutants } from "./cluster/mutants.ts";
import { runScenario } from "./cluster/scenario.ts";

/** How many clusters; `DBUS_CLUSTERS=10000` is the long form, `DBUS_CLUSTER=<seed>` repeats one. */
const count = Number(process.env.DBUS_CLUSTERS ?? 300);
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
  20 * 60_000,
);

const folder = join(import.meta.dir, "cluster");

test.each(mutants.map((mutant) => [mutant.name] as const))(
  "is seen when it is put in: %s",
  async (name) => {
    const argv = ["--preload", join(folder, "mutate.ts"), join(folder, "seeds.ts"), "1", "1500"];
    const child = Bun.spawn([process.execPath, ...argv], {
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
  120_000,
);

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ActorStatus, Stat } from "#src/api/port.ts";
import { runDir } from "../../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../../support/daemon-process.ts";
import { waitFor } from "../../support/index.ts";
import { misdeeds } from "../../support/unruly/misdeeds.ts";

const uncaught = Object.keys(misdeeds);
const outputs = ["open", "opening", "write", "writing", "close", "stuck", ...uncaught];
const filters = ["apply", "generator", ...uncaught];
const inputs = ["run", ...uncaught];
const rows = 20;

const source = join(import.meta.dir, "../../support/unruly");
let dir = "";
let daemon: DaemonProcess;

/** Each place has a file of its own, as a stack alone may have to tell them apart. */
function plugin(kind: string, where: string): string {
  const name = `unruly-${kind}-${where}.ts`;
  copyFileSync(join(source, `unruly-${kind}.ts`), join(dir, name));
  return `./${name}`;
}

beforeAll(async () => {
  dir = await runDir("uncaught");
  copyFileSync(join(source, "misdeeds.ts"), join(dir, "misdeeds.ts"));
  const sink = (name: string, match: string) => ({ name, plugin: "StreamOutput", match });
  const config = {
    // As many crash at once as never should.
    bus: { restarts: { intensity: 100 } },
    state: { dir: join(dir, "state") },
    inputs: [
      { name: "calm-in", plugin: "MockInput", count: rows },
      ...inputs.map((where) => ({ name: `in-${where}`, plugin: plugin("input", where) })),
    ],
    filters: filters.map((where) => ({
      name: `filter-${where}`,
      plugin: plugin("filter", where),
      match: "calm-in",
    })),
    outputs: [
      { ...sink("calm", "calm-in"), lines: "raw" },
      ...outputs.map((where) => ({
        name: `out-${where}`,
        plugin: plugin("output", where),
        match: "calm-in",
        ...(where === "stuck" ? { timeoutMs: 300 } : {}),
      })),
      ...filters.map((where) => sink(`of-filter-${where}`, `filter-${where}`)),
      ...inputs.map((where) => sink(`of-in-${where}`, `in-${where}`)),
    ],
  };
  daemon = await startDaemonProcess({ dir, config });
});
afterAll(() => daemon?.stop());

async function ask<T>(path: string): Promise<T> {
  return (await (await fetch(`${daemon.adminUrl}/api/v1/${path}`)).json()) as T;
}

async function actorAt(path: string): Promise<ActorStatus> {
  const flat = (one: ActorStatus): ActorStatus[] => [one, ...one.children.flatMap(flat)];
  const all = flat(await ask<ActorStatus>("supervisor"));
  return all.find((one) => one.path === `engine/pipeline/${path}`) as ActorStatus;
}

function restarted(path: string): Promise<ActorStatus> {
  if (!daemon.running) throw new Error("the daemon has ended");
  return waitFor(
    async () => {
      const actor = await actorAt(path);
      return actor.restarts > 0 && actor.state === "running" ? actor : null;
    },
    { what: `${path} to run again`, timeoutMs: 20_000 },
  );
}

const numbers = Array.from({ length: rows }, (_, i) => i + 1);

function linesOf(name: string): string[] {
  return readFileSync(join(dir, "state", name, `${name}.ndjson`), "utf8")
    .trim()
    .split("\n");
}

describe("a plugin that throws", () => {
  test.each(outputs)("fault 75: in an output, %s, restarts that output alone", async (where) => {
    const actor = await restarted(`outputs/out-${where}`);
    const code = uncaught.includes(where) ? "PLUGIN_UNCAUGHT" : actor.lastError?.code;
    expect(actor).toMatchObject({ restarts: 1, lastError: { code } });
    const path = join(dir, `out-${where}.txt`);
    const arrived = () => readFileSync(path, "utf8").trim().split("\n").map(Number);
    await waitFor(() => arrived().length >= rows, { what: "every row" });
    expect(arrived()).toEqual(numbers);
  });

  test.each(filters)("fault 75: in a filter, %s, restarts it or refuses the row", async (where) => {
    const name = `of-filter-${where}`;
    const refused = where === "apply" || where === "generator";
    if (!refused) {
      const { lastError, restarts } = await restarted(`filters/filter-${where}`);
      expect({ lastError, restarts }).toMatchObject({
        restarts: 1,
        lastError: { code: "PLUGIN_UNCAUGHT" },
      });
    }
    // What a generator gave before it threw is on its way.
    const count = where === "apply" ? rows - 1 : rows;
    await waitFor(() => linesOf(name).length === count, { what: "the rows" });
    const letters = await ask<{ node: string; code: string }[]>("deadletters");
    const own = letters.filter(({ node }) => node === `filter-${where}`);
    expect(own.map(({ code }) => code)).toEqual(refused ? ["FILTER_FAILED"] : []);
  });

  test.each(inputs)("fault 75: in an input, %s, restarts that input alone", async (where) => {
    const { lastError } = await restarted(`inputs/in-${where}.in-${where}`);
    expect(lastError?.code).toBe(where === "run" ? "INTERNAL" : "PLUGIN_UNCAUGHT");
    const name = `of-in-${where}`;
    const arrived = () => linesOf(name).map((line) => Number(JSON.parse(line)));
    await waitFor(() => arrived().length === rows, { what: "every row" });
    expect(arrived()).toEqual(numbers);
  });

  test("fault 75: the process lives, the others never noticed, each row was read once", async () => {
    const stat = await ask<Stat>("stat");
    expect(stat.pid).toBe(daemon.pid);
    expect(stat.inputs.find(({ name }) => name === "calm-in")?.packets).toBe(rows);
    for (const path of ["inputs/calm-in.calm-in", "outputs/calm", "router", "outputs", "filters"]) {
      expect([path, (await actorAt(path)).restarts]).toEqual([path, 0]);
    }
    expect(await daemon.stop()).toBe(0);
    expect(await daemon.log()).not.toContain("an exception that nobody caught");
  });
});

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Stat } from "#src/api/port.ts";
import { runDir } from "../../services/run-dir.ts";
import { startDaemonProcess } from "../../support/daemon-process.ts";
import { waitFor } from "../../support/index.ts";

/** Computes without giving the loop back: on the third packet, for as long as it is told. */
const busy = (ms: number) => `
import { defineFilter } from "#plugin";
import { z } from "zod";
export const filter = defineFilter({
  name: "Busy",
  summary: "blocks the event loop",
  configSchema: z.strictObject({}),
  open: () => ({}),
  apply(_, packet, { ident }) {
    const end = performance.now() + ${ms};
    while (packet.position === 3 && performance.now() < end);
    return { ...packet, ident };
  },
});
`;

async function start(name: string, ms: number, bus: object) {
  const dir = await runDir(name);
  await Bun.write(join(dir, "busy.ts"), busy(ms));
  const daemon = await startDaemonProcess({
    dir,
    config: {
      bus,
      state: { dir: join(dir, "state") },
      inputs: [{ name: "in", plugin: "MockInput", count: 10 }],
      filters: [{ name: "busy", plugin: "./busy.ts", match: "in" }],
      outputs: [{ name: "out", plugin: "MockOutput", match: "busy" }],
    },
  });
  const stat = async () => (await (await fetch(`${daemon.adminUrl}/api/v1/stat`)).json()) as Stat;
  return { dir, daemon, stat };
}

test("fault 76: a loop that stands still for seconds is told of while it does, and measured", async () => {
  const { daemon, stat } = await start("stall", 2_500, {});
  const said = async () => (await daemon.log()).includes("the event loop stands still");
  await waitFor(said, { what: "the watchdog to bark", timeoutMs: 30_000 });
  expect(await daemon.log()).not.toContain("the event loop goes on");
  await waitFor(async () => (await stat()).loopLag?.stalls === 1, { what: "the loop to go on" });
  const { loopLag, outputs } = await stat();
  expect(loopLag?.maxMs).toBeGreaterThan(2_000);
  expect(loopLag?.lastActor).toBe("engine/pipeline/filters/busy");
  await waitFor(async () => (await stat()).outputs[0]?.packets === 10, { what: "all of it" });
  expect(outputs).toMatchObject([{ name: "out" }]);
  const metrics = await (await fetch(`${daemon.adminUrl}/metrics`)).text();
  expect(metrics).toMatch(/^dbus_loop_stalls_total 1$/m);
  expect(await daemon.stop()).toBe(0);
  const lines = (await daemon.log()).split("\n").filter((line) => line.includes("stands still"));
  expect(lines).toEqual([expect.stringContaining('"actor":"engine/pipeline/filters/busy"')]);
});

test("fault 76: one that never goes on ends the process with code 6, and a note says who it was", async () => {
  const { dir, daemon } = await start("stall-max", 600_000, { stallMsMax: 2_000 });
  expect(await daemon.exited).toBe(6);
  expect(await daemon.log()).toContain("LOOP_STALLED");
  expect(JSON.parse(readFileSync(join(dir, "state", "stall.json"), "utf8"))).toEqual({
    at: expect.any(Number),
    stalledMs: expect.any(Number),
    actor: "engine/pipeline/filters/busy",
    running: true,
  });
});

test("fault 78: the row over which the process is ended each time is found, and goes to the dead letters", async () => {
  const dir = await runDir("stall-row");
  await Bun.write(join(dir, "busy.ts"), busy(600_000));
  const config = {
    bus: { stallMsMax: 2_000 },
    state: { dir: join(dir, "state") },
    inputs: [{ name: "in", plugin: "MockInput", count: 10 }],
    filters: [{ name: "busy", plugin: "./busy.ts", match: "in" }],
    outputs: [{ name: "out", plugin: "MockOutput", match: "busy" }],
  };
  // The first time nobody knows which packet it was.
  for (let ends = 0; ends < 4; ends++) {
    expect(await (await startDaemonProcess({ dir, config })).exited).toBe(6);
  }
  const daemon = await startDaemonProcess({ dir, config });
  const ask = async <T>(path: string) =>
    (await (await fetch(`${daemon.adminUrl}/api/v1/${path}`)).json()) as T;
  const written = async () => (await ask<Stat>("stat")).outputs[0]?.packets === 9;
  await waitFor(written, { what: "the others", timeoutMs: 20_000 });
  expect(await ask("deadletters")).toMatchObject([
    { node: "busy", input: "in", position: "3", code: "PACKET_POISON", crashes: 3 },
  ]);
  expect(await daemon.stop()).toBe(0);
  expect(existsSync(join(dir, "state", "at-hand.json"))).toBe(false);
});

test("fault 76: the compiled binary watches as well, and tells of it at its next start", async () => {
  const dir = await runDir("stall-binary");
  const built = Bun.spawn([process.execPath, "src/cli/build.ts", join(dir, "dist")]);
  expect(await built.exited).toBe(0);
  await Bun.write(join(dir, "busy.ts"), busy(600_000));
  const config = {
    bus: { stallMsMax: 2_000 },
    admin: { port: 0 },
    state: { dir: join(dir, "state") },
    inputs: [{ name: "in", plugin: "MockInput", count: 10 }],
    filters: [{ name: "busy", plugin: "./busy.ts", match: "in" }],
    outputs: [{ name: "out", plugin: "MockOutput", match: "busy" }],
  };
  await Bun.write(join(dir, "dbus.yaml"), JSON.stringify(config));
  for (const told of [false, true]) {
    const argv = [join(dir, "dist", "dbusd"), join(dir, "dbus.yaml")];
    const dbusd = Bun.spawn(argv, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    const log = await new Response(dbusd.stderr).text();
    expect(await dbusd.exited).toBe(6);
    expect(log).toContain('"actor":"engine/pipeline/filters/busy"');
    expect(log.includes("the process before this one stood still")).toBe(told);
  }
});

test("fault 76: a process that was stopped as a whole does not count, nor does one unwatched", async () => {
  const { daemon, stat } = await start("stall-stopped", 0, { stallMsMax: 2_000 });
  await daemon.ready();
  daemon.kill("SIGSTOP");
  const since = performance.now();
  await waitFor(() => performance.now() - since > 3_000, { what: "more than stallMsMax" });
  daemon.kill("SIGCONT");
  await waitFor(async () => ((await stat()).loopLag?.maxMs ?? 0) > 2_000, { what: "the lag" });
  expect(await daemon.stop()).toBe(0);
  const unwatched = await start("stall-off", 1_500, { watchdog: false });
  await waitFor(async () => (await unwatched.stat()).outputs[0]?.packets === 10, {
    what: "the end",
  });
  expect((await unwatched.stat()).loopLag).toBeNull();
  expect(await unwatched.daemon.stop()).toBe(0);
  expect(await unwatched.daemon.log()).not.toContain("stands still");
  expect(existsSync(join(unwatched.dir, "state", "stall.json"))).toBe(false);
});

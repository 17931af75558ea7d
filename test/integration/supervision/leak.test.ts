import { expect, test } from "bun:test";
import { join } from "node:path";
import type { ActorStatus, Stat } from "#src/api/port.ts";
import { runDir } from "../../services/run-dir.ts";
import { startDaemonProcess } from "../../support/daemon-process.ts";
import { waitFor } from "../../support/index.ts";

const mib = 1024 * 1024;
const packets = 2_000;
const leaky = `
import { openSync } from "node:fs";
import { defineFilter } from "#plugin";
import { z } from "zod";
const kept = [];
export const filter = defineFilter({
  name: "Leaky",
  summary: "keeps 64 KiB of each packet, and a file open of each tenth",
  configSchema: z.strictObject({}),
  open: () => ({}),
  apply(_, packet, { ident }) {
    kept.push(Buffer.alloc(65536, 1));
    if (packet.position % 10 === 0) kept.push(openSync("/dev/null"));
    return { ...packet, ident };
  },
});
`;

test("a plugin that leaks is seen in the memory that is told of, and no bound of the bus gives way", async () => {
  const dir = await runDir("leak");
  await Bun.write(join(dir, "leaky.ts"), leaky);
  const window = { packets: 64, bytes: mib };
  const daemon = await startDaemonProcess({
    dir,
    config: {
      bus: { window, edge: { packets: 16, bytes: mib } },
      state: { dir: join(dir, "state") },
      inputs: [{ name: "in", plugin: "MockInput", count: packets, batch: 16, rate: 1000 }],
      filters: [{ name: "leaky", plugin: "./leaky.ts", match: "in" }],
      outputs: [{ name: "out", plugin: "MockOutput", match: "leaky", msPerBatch: 1 }],
    },
  });
  const ask = async <T>(path: string) =>
    (await (await fetch(`${daemon.adminUrl}/api/v1/${path}`)).json()) as T;
  await daemon.ready();
  const before = (await ask<Stat>("stat")).rssBytes;
  const depths: number[] = [];
  const inFlight: number[] = [];
  const done = async () => {
    const { inputs, outputs } = await ask<Stat>("stat");
    inFlight.push(inputs[0]?.inFlight ?? 0);
    const flat = (one: ActorStatus): ActorStatus[] => [one, ...one.children.flatMap(flat)];
    depths.push(...flat(await ask<ActorStatus>("supervisor")).map(({ mailbox }) => mailbox.depth));
    return outputs[0]?.packets === packets;
  };
  await waitFor(done, { what: "every packet", timeoutMs: 30_000 });
  expect(Math.max(...inFlight)).toBeLessThanOrEqual(window.packets);
  const leaked = packets * 65_536;
  expect((await ask<Stat>("stat")).rssBytes - before).toBeGreaterThan(leaked * 0.8);
  const metrics = await (await fetch(`${daemon.adminUrl}/metrics`)).text();
  const rss = Number(/^dbus_resident_memory_bytes (\S+)$/m.exec(metrics)?.[1]);
  expect(rss).toBeGreaterThan(leaked * 0.8);
  expect(Math.max(...depths)).toBeLessThanOrEqual(4 * window.packets);
  expect(await daemon.stop()).toBe(0);
});

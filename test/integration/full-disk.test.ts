import { afterAll, expect } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { useStarted } from "../services/index.ts";
import { waitFor } from "../support/index.ts";
import { startText } from "../support/sample-daemon.ts";
import { smallDisk } from "../support/small-disk.ts";

const count = 2_000;
const disks = await useStarted("a full disk", async () => smallDisk("1m", afterAll));

disks.test(
  "a full disk stops the bus, says why, and costs nothing once there is room",
  async ({ dir }) => {
    const ballast = join(dir, "ballast");
    writeFileSync(ballast, Buffer.alloc(700_000));
    const file = join(dir, "rows.ndjson");
    const bus = { window: { packets: 256 } };
    const inputs = [{ name: "rows", plugin: "MockInput", payload: "rows", count }];
    const retry = { delayMs: 20, delayMsMax: 50 };
    const outputs = [
      {
        name: "full",
        plugin: "StreamOutput",
        match: "rows",
        file,
        retry,
        batch: { countMax: 100 },
      },
      { name: "other", plugin: "MockOutput", match: "rows" },
    ];
    const started = await startText(JSON.stringify({ bus, inputs, outputs }));
    try {
      const told = () => started.output("full").note?.startsWith("retrying");
      await waitFor(told, { what: "the note of the output" });
      expect(started.output("full").note).toContain("rows.ndjson");
      // The input is held back by the window, whatever else it feeds.
      expect(started.input("rows").packets).toBeLessThan(count);
      expect(started.output("other").packets).toBeLessThan(count);
      rmSync(ballast);
      await waitFor(() => started.output("full").packets === count, { what: "every row" });
      expect(started.daemon.admin.stat().deadLetters).toBe(0);
    } finally {
      expect(await started.end()).toBe(0);
    }
    const positions = readFileSync(file, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line).pos);
    expect(positions).toEqual(Array.from({ length: count }, (_, i) => i));
  },
);

import { afterAll, expect } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requireConfig } from "#src/config/load.ts";
import { startDaemon } from "#src/main.ts";
import { openState } from "#src/state/open-state.ts";
import { useStarted } from "../services/index.ts";
import { waitFor } from "../support/index.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { registry } from "../support/sample-daemon.ts";
import { smallDisk } from "../support/small-disk.ts";

const disks = await useStarted("a full disk", async () => smallDisk("2m", afterAll));
const count = 200;

/** Fills a disk to its last block, or empties it again. */
function ballast(path: string) {
  return {
    fill() {
      for (let size = 1 << 20; size >= 1; size = Math.floor(size / 2)) {
        try {
          for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" });
        } catch {
          // Full for this size: try a smaller one.
        }
      }
    },
    free: () => rmSync(path, { force: true }),
  };
}

disks.test(
  "while the state cannot be written nothing is let go, and all of it is kept once it can (fault 79)",
  async ({ dir }) => {
    const stateDir = join(dir, "state");
    const inputs = [{ name: "rows", plugin: "MockInput", payload: "rows", count, rate: 400 }];
    const refusing = { name: "picky", plugin: "MockOutput", match: "rows" };
    const outputs = [{ ...refusing, failRate: 1, failAs: "reject", batch: { countMax: 10 } }];
    const bus = { checkpointIntervalMs: 20, stopDeadlineMs: 2000 };
    const text = JSON.stringify({ bus, inputs, outputs });
    const overrides = { stateDir, admin: { host: "127.0.0.1", port: 0 } };
    const config = await requireConfig("test.yaml", { registry, env: {}, text, overrides });
    const log = recordedLog();
    const daemon = await startDaemon(config, { log: log.log });
    const disk = ballast(join(dir, "ballast"));
    const stat = () => daemon.admin.stat();
    try {
      await waitFor(() => stat().deadLetters > 20, { what: "the first dead letters" });
      disk.fill();
      const failing = () => stat().outputs[0]?.lastError?.code === "STATE_UNWRITABLE";
      await waitFor(failing, { what: "the output to fail" });
      const kept = stat().deadLetters;
      expect(kept).toBeLessThan(count);
      // Alive, and telling the truth: what is not kept is still in flight.
      expect(stat().inputs[0]?.inFlight).toBeGreaterThan(0);
      disk.free();
      await waitFor(() => stat().deadLetters === count, {
        what: "every packet in the dead letters",
      });
      await waitFor(() => stat().inputs[0]?.inFlight === 0, { what: "all of them settled" });
    } finally {
      disk.free();
      await daemon.stop("the test is over");
    }
    const state = await openState({ dir: stateDir });
    const numbers = state.deadLetters.list({ limit: 1000 }).map(({ position }) => Number(position));
    expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    const [checkpoint] = await state.checkpoints.list();
    expect(checkpoint?.position).toBe(String(count));
    await state.close();
  },
);

import { afterAll, expect } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DbusError } from "#src/errors.ts";
import { openState } from "#src/state/open-state.ts";
import { useStarted } from "../services/index.ts";
import { samplePackets } from "../support/sample-packets.ts";
import { smallDisk } from "../support/small-disk.ts";

const disks = await useStarted("a full disk", async () => smallDisk("1m", afterAll));

const key = { input: "in", resource: "r", partition: "0" };
const base = { node: "o", input: "in", resource: "r", partition: "0", ident: "i", position: "1" };
const letter = {
  ...base,
  code: "X",
  crashes: 0,
  crashedAt: null,
  reason: "y",
  packet: samplePackets[0]!,
};

/** Fills the disk to the last byte; answers how to free it again. */
function fill(dir: string): () => void {
  const path = join(dir, "ballast");
  for (let size = 512 * 1024; size >= 512; size /= 2) {
    for (;;) {
      try {
        writeFileSync(path, Buffer.alloc(size), { flag: "a" });
      } catch {
        break;
      }
    }
  }
  return () => rmSync(path);
}

disks.test(
  "a full disk refuses with a code, keeps what was there, and recovers (fault 79)",
  async ({ dir }) => {
    const state = await openState({ dir: join(dir, "a") });
    await state.checkpoints.commit([{ ...key, position: "1", epoch: state.epoch }]);
    const kept = state.deadLetters.put([letter]);
    const free = fill(dir);
    const large = { ...letter, reason: "y".repeat(100_000) };
    let refused = 0;
    for (let n = 2; n < 500; n++) {
      try {
        state.deadLetters.put([large, large]);
      } catch (error) {
        expect(error).toMatchObject({ code: "STATE_UNWRITABLE", kind: "retry" });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(400);
    expect(state.deadLetters.count() % 2).toBe(1);
    expect(state.deadLetters.get(kept[0]!)?.packet).toEqual(letter.packet);
    expect(await state.checkpoints.get(key)).toMatchObject({ position: "1" });
    free();
    state.deadLetters.put([large, large]);
    await state.checkpoints.commit([{ ...key, position: "9", epoch: state.epoch }]);
    await state.close();
    const again = await openState({ dir: join(dir, "a") });
    expect(await again.checkpoints.get(key)).toMatchObject({ position: "9" });
    expect(again.deadLetters.count() % 2).toBe(1);
    await again.close();
    rmSync(join(dir, "a"), { recursive: true });
  },
);

disks.test(
  "a checkpoint that finds no room is refused whole, the one before it stays",
  async ({ dir }) => {
    const state = await openState({ dir: join(dir, "b") });
    const commits = (n: number) =>
      Array.from({ length: 200 }, (_, partition) => ({
        ...key,
        partition: String(partition),
        position: JSON.stringify({ n, gtid: "x".repeat(2000) }),
        epoch: state.epoch,
      }));
    await state.checkpoints.commit(commits(0).slice(0, 20));
    const free = fill(dir);
    let refused: unknown;
    await state.checkpoints.commit(commits(1)).catch((error) => {
      refused = error;
    });
    expect(refused).toBeInstanceOf(DbusError);
    expect(refused).toMatchObject({ code: "STATE_UNWRITABLE" });
    const stored = await state.checkpoints.list();
    expect(stored).toHaveLength(20);
    expect(stored.every(({ position }) => JSON.parse(position).n === 0)).toBe(true);
    free();
    await state.checkpoints.commit(commits(2).slice(0, 50));
    expect(await state.checkpoints.list()).toHaveLength(50);
    await state.close();
    rmSync(join(dir, "b"), { recursive: true });
  },
);

disks.test(
  "a folder on a full disk is refused at the start, and taken when there is room",
  async ({ dir }) => {
    const free = fill(dir);
    await expect(openState({ dir: join(dir, "c") })).rejects.toMatchObject({
      code: "STATE_UNWRITABLE",
    });
    free();
    const state = await openState({ dir: join(dir, "c") });
    await state.close();
  },
);

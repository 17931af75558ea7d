import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createMemoryCheckpointStore } from "#src/checkpoint/memory-store.ts";
import { openState } from "#src/state/open-state.ts";
import { checkpointStoreContract } from "../contract/checkpoint-store.ts";
import { stateDirs } from "../support/state-dirs.ts";

const newDir = stateDirs("checkpoint");

describe("in memory", () => checkpointStoreContract(async () => createMemoryCheckpointStore()));

describe("in SQLite", () => {
  checkpointStoreContract(async () => (await openState({ dir: newDir() })).checkpoints);

  test.each([
    ["a digit of the position", "UPDATE checkpoint SET position = '43'"],
    ["the position cut off", `UPDATE checkpoint SET position = '{"pos":'`],
    ["the epoch", "UPDATE checkpoint SET epoch = epoch + 1"],
    ["the key", "UPDATE checkpoint SET partition = '1'"],
  ])("a row with %s damaged is never read as a position", async (_, damage) => {
    const dir = newDir();
    const state = await openState({ dir });
    const key = { input: "in", resource: "r", partition: "0" };
    await state.checkpoints.commit([{ ...key, position: "42", epoch: 1 }]);
    const other = new Database(join(dir, "state.db"));
    other.run(damage);
    other.close();
    await expect(state.checkpoints.list()).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
    const damaged = damage.includes("partition") ? { ...key, partition: "1" } : key;
    await expect(state.checkpoints.get(damaged)).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
    });
    await state.checkpoints.remove(damaged);
    await state.checkpoints.commit([{ ...key, position: "7", epoch: 2 }]);
    expect(await state.checkpoints.get(key)).toMatchObject({ position: "7" });
    await state.close();
  });
});

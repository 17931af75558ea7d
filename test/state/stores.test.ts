import { afterAll, describe } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryState } from "#src/state/memory-state.ts";
import { openState } from "#src/state/open-state.ts";
import { checkpointStoreContract } from "../contract/checkpoint-store.ts";
import { deadLetterStoreContract } from "../contract/dead-letter-store.ts";

const root = mkdtempSync(join(tmpdir(), "dbus-stores-"));
let folders = 0;
afterAll(() => rmSync(root, { recursive: true }));

const sqlite = () => openState({ dir: join(root, String(++folders)) });

describe("checkpoint stores", () => {
  checkpointStoreContract("memory", async () => memoryState().checkpoints);
  checkpointStoreContract("sqlite", async () => (await sqlite()).checkpoints);
});

describe("dead letter stores", () => {
  deadLetterStoreContract("memory", async () => memoryState().deadLetters);
  deadLetterStoreContract("sqlite", async () => (await sqlite()).deadLetters);
});

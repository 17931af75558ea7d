import { describe } from "bun:test";
import { createMemoryCrashStore } from "#src/crash/memory-store.ts";
import { openState } from "#src/state/open-state.ts";
import { crashStoreContract } from "../contract/crash-store.ts";
import { stateDirs } from "../support/state-dirs.ts";

const newDir = stateDirs("crash");

describe("in memory", () => crashStoreContract(async () => createMemoryCrashStore()));

describe("in SQLite", () =>
  crashStoreContract(async () => (await openState({ dir: newDir() })).crashes));

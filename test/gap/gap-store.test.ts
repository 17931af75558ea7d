import { describe } from "bun:test";
import { createMemoryGapStore } from "#src/gap/memory-store.ts";
import { openState } from "#src/state/open-state.ts";
import { gapStoreContract } from "../contract/gap-store.ts";
import { stateDirs } from "../support/state-dirs.ts";

const newDir = stateDirs("gap");

describe("in memory", () => gapStoreContract(async () => createMemoryGapStore()));
describe("in SQLite", () =>
  gapStoreContract(async () => (await openState({ dir: newDir() })).gaps));

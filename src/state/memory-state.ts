import { createMemoryCheckpointStore } from "../checkpoint/memory-store.ts";
import { type Clock, systemClock } from "../clock.ts";
import { createMemoryLocalLog } from "../cluster/local-log.ts";
import { createMemoryCrashStore } from "../crash/memory-store.ts";
import { createMemoryDeadLetterStore } from "../deadletter/memory-store.ts";
import { createMemoryGapStore } from "../gap/memory-store.ts";
import { createMemorySpillStore } from "../spill/memory-log.ts";
import type { State } from "./state.ts";

/** A state that ends with the process: for tests and dry runs. */
export function memoryState(options: { epoch?: number; clock?: Clock } = {}): State {
  const { epoch = 1, clock = systemClock } = options;
  return {
    checkpoints: createMemoryCheckpointStore(clock),
    deadLetters: createMemoryDeadLetterStore(clock),
    gaps: createMemoryGapStore(clock),
    crashes: createMemoryCrashStore(),
    localLog: createMemoryLocalLog(),
    spills: createMemorySpillStore(),
    epoch,
    async close() {},
  };
}

import type { CheckpointStore } from "../checkpoint/store.ts";
import type { LocalLog } from "../cluster/local-log.ts";
import type { CrashStore } from "../crash/store.ts";
import type { DeadLetterStore } from "../deadletter/store.ts";
import type { GapStore } from "../gap/store.ts";
import type { SpillStore } from "../spill/spill-log.ts";

/** Everything that outlives the process, behind its ports. */
export type State = {
  readonly checkpoints: CheckpointStore;
  readonly deadLetters: DeadLetterStore;
  readonly gaps: GapStore;
  readonly crashes: CrashStore;
  /** Checkpoints of the cluster's resources that ZooKeeper did not take. */
  readonly localLog: LocalLog;
  /** The buffers of outputs on disk. */
  readonly spills: SpillStore;
  /** The epoch of this start: one more than any before it in the same data folder. */
  readonly epoch: number;
  close(): Promise<void>;
};

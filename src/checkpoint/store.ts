/** What a checkpoint belongs to. Unique together. */
export type CheckpointKey = {
  readonly input: string;
  readonly resource: string;
  readonly partition: string;
};

/** A resource of an input, with all its partitions. */
export type CheckpointOwner = Pick<CheckpointKey, "input" | "resource">;

export type Checkpoint = CheckpointKey & {
  /** JSON text of the input's position: everything before it is settled. */
  readonly position: string;
  /** The epoch under which it was committed; grows with each owner. */
  readonly epoch: number;
  /** Unix milliseconds. */
  readonly committedAt: number;
};

export type Commit = CheckpointKey & { readonly position: string; readonly epoch: number };

/** What the checkpoint actor writes to. Every implementation runs `test/contract/checkpoint-store.ts`. */
export type CheckpointStore = {
  /** Throws `CHECKPOINT_CORRUPT` rather than answer null for something unreadable. */
  get(key: CheckpointKey): Promise<Checkpoint | null>;
  /** All of them, or those of one resource: what is unreadable stops only its own input. */
  list(of?: CheckpointOwner): Promise<readonly Checkpoint[]>;
  /**
   * All of them or none, durable when it resolves. Throws `STALE_EPOCH` when any stored epoch is
   * newer than the commit's, `STATE_UNWRITABLE` when the disk refuses.
   */
  commit(commits: readonly Commit[]): Promise<void>;
  /** Forgets a checkpoint; the input starts anew under its start policy. */
  remove(key: CheckpointKey): Promise<void>;
  close(): Promise<void>;
};

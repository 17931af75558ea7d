import type { CheckpointRecord, ResourceRecord } from "./records.ts";

/** A resource that this participant owns, under the fence of its assignment. */
export type Owned = {
  readonly rid: string;
  readonly fence: number;
  readonly record: ResourceRecord;
};

/** The bus, as the cluster sees it: what can be done to the resources of this process. */
export type ResourceHost = {
  /**
   * Begins to read from the checkpoint; resolves when it reads. Rejects with a `DbusError` when the
   * resource cannot be opened: then nothing of it is left.
   */
  open(owned: Owned, checkpoint: CheckpointRecord | null): Promise<void>;
  /** Stops reading, delivers what is in flight at most until the deadline, and lets go of it. */
  close(rid: string, deadlineMs: number): Promise<void>;
  /**
   * Ends it at once, within this turn, also while it is being opened: nothing is emitted and
   * nothing settled counts after it.
   */
  fence(rid: string): void;
  /** Emits nothing until `resume`; what is under way may end. Both work within this turn. */
  pause(rid: string): void;
  resume(rid: string): void;
  /** The newest settled positions, by partition; null forgets one. */
  positions(rid: string): Readonly<Record<string, string | null>>;
};

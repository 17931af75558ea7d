import type { AssignmentPolicy } from "./assignment/problem.ts";

export type LeaderSettings = {
  /** What changes together is decided together. */
  readonly debounceMs: number;
  readonly reconcileEveryMs: number;
  /** How long a participant may take to claim what it was given, and to close what it gives away. */
  readonly claimTimeoutMs: number;
  readonly closeTimeoutMs: number;
  /** A resource that so many participants could not open waits for a person. */
  readonly quarantineAfter: number;
  /** How long what a vanished participant read waits for its return. */
  readonly rejoinDelayMs?: number;
  readonly policy?: Partial<AssignmentPolicy>;
};

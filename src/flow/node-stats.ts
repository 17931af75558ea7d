import { noThrottle, type Throttle } from "./throttle.ts";

/**
 * Counters of the graph's nodes. Each is written by its own actor only and outlives its restarts;
 * everybody may read it.
 */
export type InputStats = Throttle & {
  state:
    | "starting"
    | "running"
    | "paused"
    | "backoff"
    | "finished"
    | "failed"
    | "stopped"
    /** Another participant of the cluster reads it, or none yet. */
    | "standby";
  note: string | null;
  /** How often the source was lost while it was read. */
  interruptions: number;
  packets: number;
  bytes: number;
  lagSeconds: number | null;
  lagBytes: number | null;
  lagRecords: number | null;
};

type Lag = { readonly seconds?: number; readonly bytes?: number; readonly records?: number };

/** What is not told is not known. */
export function noteLag(stats: InputStats, { seconds, bytes, records }: Lag): void {
  stats.lagSeconds = seconds ?? null;
  stats.lagBytes = bytes ?? null;
  stats.lagRecords = records ?? null;
}

export type FilterStats = {
  /** Whether the plugin is open. */
  ready: boolean;
  packets: number;
  dropped: number;
  emitted: number;
  failed: number;
  /** Calls that did not return in time. */
  timeouts: number;
  /** Packets that were the cause of crashes and are in the dead letters. */
  poisoned: number;
  /** Packets that may be the cause of a crash: they are handed over alone, or nearly so. */
  suspects: number;
};

export type OutputStats = Throttle & {
  /** Whether the plugin is open. */
  ready: boolean;
  note: string | null;
  /** Whether it holds a packet that its sink refused for good. */
  blocked: boolean;
  packets: number;
  bytes: number;
  retried: number;
  /** Counted as written, but left out on purpose. */
  leftOut: number;
  failed: number;
  queued: number;
  /** What waits in its buffer on disk; null for an output without one. */
  buffer: BufferStats | null;
  /** As of a filter. */
  timeouts: number;
  poisoned: number;
  suspects: number;
};

export type BufferStats = {
  readonly packets: number;
  readonly bytes: number;
  readonly note: string | null;
  /** When its oldest packet came, in Unix milliseconds; null while that is not known. */
  readonly oldestAt: number | null;
};

/** Packets that nothing matched, and the first idents of them. */
export type UnroutedStats = { packets: number; readonly idents: Set<string> };

export const createInputStats = (): InputStats => ({
  state: "starting",
  note: null,
  interruptions: 0,
  packets: 0,
  bytes: 0,
  lagSeconds: null,
  lagBytes: null,
  lagRecords: null,
  ...noThrottle(),
});

export const createFilterStats = (): FilterStats => ({
  ready: false,
  packets: 0,
  dropped: 0,
  emitted: 0,
  failed: 0,
  timeouts: 0,
  poisoned: 0,
  suspects: 0,
});

export const createOutputStats = (): OutputStats => ({
  ...noThrottle(),
  ready: false,
  note: null,
  blocked: false,
  packets: 0,
  bytes: 0,
  retried: 0,
  leftOut: 0,
  failed: 0,
  queued: 0,
  buffer: null,
  timeouts: 0,
  poisoned: 0,
  suspects: 0,
});

/** How much of everything a soak does. */
export type SoakPlan = {
  /** How long the output is slow while rows come at full rate, and what it takes meanwhile. */
  readonly slowSeconds: number;
  readonly slowBytesPerSecond: number;
  /** How long the output takes nothing. */
  readonly blockedSeconds: number;
  /** How long rows come at ten times the rate of before, and that rate. */
  readonly burstSeconds: number;
  readonly rowsPerSecond: number;
  /** Rows that are written while the daemon is stopped. */
  readonly backlogRows: number;
  /** Rows that one statement deletes. */
  readonly deleteRows: number;
  /** Bytes of one transaction, and of one that MySQL compresses. */
  readonly transactionBytes: number;
  readonly compressedBytes: number;
  /** Bytes of one row; three of them come, two as text. */
  readonly rowBytes: number;
  /** What the daemon's `eventBytesMax` is. */
  readonly eventBytesMax: number;
};

const mib = 2 ** 20;

/** The short form, for CI. */
export const shortPlan: SoakPlan = {
  slowSeconds: 5,
  slowBytesPerSecond: 2 * mib,
  blockedSeconds: 5,
  burstSeconds: 3,
  rowsPerSecond: 1_000,
  backlogRows: 100_000,
  deleteRows: 100_000,
  transactionBytes: 40 * mib,
  compressedBytes: 40 * mib,
  rowBytes: 16 * mib,
  eventBytesMax: 20 * mib,
};

/** The long form: what takes time is stretched to so many minutes, what has a size has all of it. */
export function longPlan(minutes: number): SoakPlan {
  // What is not stretched takes about five minutes on two cores.
  const seconds = Math.max(30, minutes * 60 - 300);
  return {
    slowSeconds: Math.round(seconds * 0.35),
    slowBytesPerSecond: 4 * mib,
    blockedSeconds: Math.round(seconds * 0.4),
    burstSeconds: Math.round(seconds * 0.1),
    rowsPerSecond: 2_000,
    backlogRows: 2_000_000,
    deleteRows: 1_000_000,
    transactionBytes: 2_048 * mib,
    compressedBytes: 512 * mib,
    rowBytes: 64 * mib,
    eventBytesMax: 72 * mib,
  };
}

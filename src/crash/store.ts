/** The packet on which a plugin crashed, by the place that it came from: it has it again next time. */
export type CrashKey = {
  /** The filter or output that crashed. */
  readonly node: string;
  readonly input: string;
  readonly resource: string;
  readonly partition: string;
  /** JSON text of the packet's position. */
  readonly position: string;
};

export type Crash = CrashKey & {
  /** How often a call that held this packet has crashed. */
  readonly crashes: number;
  /** Code and message of the last crash. */
  readonly code: string;
  readonly reason: string;
  /** Unix milliseconds of the first and the last crash. */
  readonly firstAt: number;
  readonly lastAt: number;
};

/**
 * Remembers crashes over restarts of actors and of the process, so that a row which crashes whatever
 * touches it is found. Every implementation runs `test/contract/crash-store.ts`.
 */
export type CrashStore = {
  list(node: string): readonly Crash[];
  /** Writes down what is known of these packets now; durable when it returns. */
  put(crashes: readonly Crash[]): void;
  remove(keys: readonly CrashKey[]): void;
  /** Forgets all of a node. */
  clear(node: string): void;
};

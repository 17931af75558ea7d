/**
 * What a participant had settled of a resource when it could not tell ZooKeeper. It outlives the
 * process, and is worth something only to the same participant, and only if nobody else had the
 * resource in between.
 */
export type LocalEntry = {
  readonly rid: string;
  /** Under which it was settled. */
  readonly fence: number;
  /** Greater than that of every checkpoint before it, and less than that of every one after it. */
  readonly seq: number;
  readonly positions: Readonly<Record<string, string>>;
  /** Unix milliseconds, for people. */
  readonly at: number;
};

/** The local checkpoint log: one entry a resource. Every method throws `DbusError`. */
export type LocalLog = {
  /** Throws CHECKPOINT_CORRUPT when what is there cannot be trusted. */
  read(rid: string): LocalEntry | null;
  /** All of them or none, durable when it returns. */
  write(entries: readonly LocalEntry[]): void;
  remove(rid: string): void;
};

export function createMemoryLocalLog(): LocalLog {
  const entries = new Map<string, LocalEntry>();
  return {
    read: (rid) => entries.get(rid) ?? null,
    write(more) {
      for (const entry of more) entries.set(entry.rid, entry);
    },
    remove: (rid) => void entries.delete(rid),
  };
}

/** For who has nowhere to keep it. */
export const noLocalLog: LocalLog = { read: () => null, write() {}, remove() {} };

import type { SpillLog, SpillRecord, SpillStore } from "./spill-log.ts";

/** Logs that end with the process: for tests and dry runs. */
export type MemorySpillStore = SpillStore & {
  /** What is in a log and not acked, as far as records go. */
  records(name: string): readonly SpillRecord[];
};

export function createMemorySpillStore(): MemorySpillStore {
  const logs = new Map<string, { records: SpillRecord[]; next: number; acked: number }>();
  return {
    async open(name) {
      const log = logs.get(name) ?? { records: [], next: 1, acked: 0 };
      logs.set(name, log);
      return openMemoryLog(log);
    },
    records: (name) => logs.get(name)?.records ?? [],
    async left() {
      return [...logs]
        .map(([name, { next, acked }]) => ({ name, packets: next - 1 - acked }))
        .filter(({ packets }) => packets > 0);
    },
  };
}

function openMemoryLog(log: { records: SpillRecord[]; next: number; acked: number }): SpillLog {
  let readNext = log.acked + 1;
  return {
    get packets() {
      return log.next - 1 - log.acked;
    },
    get bytes() {
      return log.records.reduce((sum, { body }) => sum + body.length, 0);
    },
    get acked() {
      return log.acked;
    },
    async append(bodies) {
      for (const { count, body } of bodies) {
        log.records.push({ first: log.next, count, body });
        log.next += count;
      }
    },
    async read() {
      const record = log.records.find(({ first, count }) => first + count > readNext);
      if (record) readNext = record.first + record.count;
      return record;
    },
    async ack(number) {
      log.acked = Math.max(log.acked, Math.min(number, log.next - 1));
      log.records = log.records.filter(({ first, count }) => first + count - 1 > log.acked);
    },
    async close() {},
  };
}

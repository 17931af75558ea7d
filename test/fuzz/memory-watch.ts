import { readFileSync } from "node:fs";

const mib = 2 ** 20;

/** What the process takes after a collection: heap of objects, and resident pages. */
type Level = { readonly heap: number; readonly rss: number };

export type MemoryWatch = {
  /** To be called after each case, with how much of the time is over, 0 to 1. */
  look(done: number): void;
  /** What is wrong: memory that grows with the cases, or a peak above the bound. */
  verdict(): string | undefined;
  peakMiB(): number;
};

/** Of what stays on the heap between a quarter of the time and its end. */
const heapGrowthMax = 48 * mib;

const collectMs = 1000;

/** Begins with the memory that the process has now. */
export function createMemoryWatch(growthMiBMax: number): MemoryWatch {
  const start = level();
  let quarter: Level | undefined;
  let collected = performance.now();
  return {
    look(done) {
      // Else the peak would tell when the collector came by, and not what the cases need.
      if (performance.now() - collected > collectMs) {
        Bun.gc(true);
        collected = performance.now();
      }
      if (quarter === undefined && done > 0.25) quarter = level();
    },
    verdict() {
      const end = level();
      const grown = end.heap - (quarter ?? end).heap;
      if (grown > heapGrowthMax) return `the heap grew by ${inMiB(grown)} MiB in the last cases`;
      const peak = highWater() - start.rss;
      if (peak <= growthMiBMax * mib) return undefined;
      return `resident memory grew by ${inMiB(peak)} MiB at its peak, more than ${growthMiBMax}`;
    },
    peakMiB: () => inMiB(highWater()),
  };
}

function level(): Level {
  Bun.gc(true);
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}

/** The kernel's own peak: a sample could miss it. */
function highWater(): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

function inMiB(bytes: number): number {
  return Math.round(bytes / mib);
}

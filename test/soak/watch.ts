import type { WatchReport, WatchRequest } from "./watch-worker.ts";

/** What a thread beside the rig sees of the daemon; see `watch-worker.ts`. */
export type Watch = {
  /** Looks at this daemon from now on. */
  watch(pid: number, url: string): void;
  /** Looks at none, for it is being stopped. */
  rest(): void;
  /** Forgets what was seen. */
  begin(): void;
  report(): Promise<WatchReport>;
  close(): void;
};

export function startWatch(): Watch {
  const worker = new Worker(new URL("./watch-worker.ts", import.meta.url).href);
  const send = (request: WatchRequest) => worker.postMessage(request);
  return {
    watch: (pid, url) => send({ kind: "watch", pid, url }),
    rest: () => send({ kind: "rest" }),
    begin: () => send({ kind: "begin" }),
    report() {
      const { promise, resolve } = Promise.withResolvers<WatchReport>();
      worker.onmessage = ({ data }: MessageEvent<WatchReport>) => resolve(data);
      send({ kind: "report" });
      return promise;
    },
    close: () => worker.terminate(),
  };
}

/** Within less than a minute the window is still filling up in the second quarter. */
const longSamples = 600;

/** How far resident memory moved from the second quarter to the last, medians, in MiB. */
export function drift(samples: WatchReport["samples"]): number {
  const part = (from: number, to: number) =>
    samples
      .slice(Math.floor(samples.length * from), Math.ceil(samples.length * to))
      .map(([, kib]) => kib)
      .sort((a, b) => a - b);
  const median = (sorted: readonly number[]) => sorted[sorted.length >> 1] ?? 0;
  const before = samples.length < longSamples ? part(0.5, 0.75) : part(0.25, 0.5);
  return (median(part(0.75, 1)) - median(before)) / 1024;
}

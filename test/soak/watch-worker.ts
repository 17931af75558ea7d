import { readFileSync, writeFileSync } from "node:fs";

/*
 * Watches a process from a thread of its own, so that a busy rig is not taken for a slow daemon:
 * resident memory each 100 ms, and how long the admin API takes to answer.
 */
export type WatchRequest =
  | { readonly kind: "watch"; readonly pid: number; readonly url: string }
  | { readonly kind: "rest" }
  | { readonly kind: "begin" }
  | { readonly kind: "report" };

export type WatchReport = {
  /** Milliseconds since `begin`, and resident KiB then. */
  readonly samples: readonly (readonly [number, number])[];
  /** The kernel's own high-water mark since `begin`, in KiB: no peak between samples is missed. */
  readonly peakKib: number;
  readonly answers: number;
  readonly slowestMs: number;
  readonly slowestPath: string;
  readonly failures: readonly string[];
};

declare const self: {
  onmessage: ((event: MessageEvent<WatchRequest>) => void) | null;
  postMessage(report: WatchReport): void;
};

const sampleMs = 100;
const askMs = 150;
const answerMsMax = 30_000;
const paths = ["/healthz", "/api/v1/stat", "/readyz", "/api/v1/supervisor"];

let target: { readonly pid: number; readonly url: string } | undefined;
let begunAt = performance.now();
let samples: [number, number][] = [];
let peakKib = 0;
let answers = 0;
let slowestMs = 0;
let slowestPath = "";
let failures: string[] = [];

function memoryOf(pid: number): { readonly rss: number; readonly peak: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kib = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
    return { rss: kib("VmRSS"), peak: kib("VmHWM") };
  } catch {
    return undefined;
  }
}

/** Makes the kernel forget the peak until now. */
function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // Then the peak is that of the whole run, which is no smaller.
  }
}

function sample(): void {
  const found = target && memoryOf(target.pid);
  if (!found) return;
  samples.push([performance.now() - begunAt, found.rss]);
  peakKib = Math.max(peakKib, found.peak);
}

async function ask(turn: number): Promise<void> {
  const asked = target;
  if (!asked) return;
  const path = paths[turn % paths.length] ?? "/healthz";
  const started = performance.now();
  try {
    const answer = await fetch(asked.url + path, { signal: AbortSignal.timeout(answerMsMax) });
    await answer.arrayBuffer();
  } catch (error) {
    if (asked === target) failures.push(`${path}: ${error}`);
    return;
  }
  const ms = performance.now() - started;
  answers++;
  if (ms <= slowestMs) return;
  slowestMs = ms;
  slowestPath = path;
}

async function askForEver(): Promise<never> {
  for (let turn = 0; ; turn++) {
    await ask(turn);
    await Bun.sleep(askMs);
  }
}

function begin(): void {
  begunAt = performance.now();
  samples = [];
  [peakKib, answers, slowestMs, slowestPath, failures] = [0, 0, 0, "", []];
  if (target) forgetPeak(target.pid);
}

self.onmessage = ({ data }) => {
  if (data.kind === "watch") target = { pid: data.pid, url: data.url };
  else if (data.kind === "rest") target = undefined;
  else if (data.kind === "begin") begin();
  else {
    sample();
    self.postMessage({ samples, peakKib, answers, slowestMs, slowestPath, failures });
  }
};
setInterval(sample, sampleMs);
void askForEver();

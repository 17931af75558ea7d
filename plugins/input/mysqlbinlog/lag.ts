import type { Clock, InputContext } from "#plugin";
import type { RowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import type { BinlogFile } from "#src/clients/mysql/server-facts.ts";

export type LagReporter = {
  /** Whether the server had nothing more when the last events were handed over. */
  caughtUp(now: boolean): void;
  /** Ends the reports. Returns the time up to which everything was read, in Unix seconds. */
  stop(): number;
};

const secondsEveryMs = 1_000;
/** Each asks the server for all its files. */
const bytesEveryMs = 10_000;

/**
 * Reports how far behind the server we are: in seconds by the time at which the event was logged,
 * never below 0 though clocks differ, and in bytes by the files that the server has.
 */
export function reportLag(
  context: InputContext,
  rows: RowStream,
  readFiles: () => Promise<readonly BinlogFile[]>,
): LagReporter {
  let isCaughtUp = false;
  let bytes: number | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let timer = context.clock.after(secondsEveryMs, report);
  let stopped = false;

  async function measure(): Promise<void> {
    askedAt = context.clock.now();
    const files = await readFiles();
    bytes = bytesBehind(files, rows.progress());
  }

  function report() {
    if (stopped) return;
    const { timestamp } = rows.progress();
    const known = isCaughtUp || timestamp > 0;
    const behind = isCaughtUp ? 0 : Math.max(0, context.clock.wall() / 1000 - timestamp);
    if (isCaughtUp) bytes = 0;
    else if (context.clock.now() - askedAt >= bytesEveryMs) measure().catch(() => {});
    context.reportLag({
      ...(known ? { seconds: Math.round(behind * 10) / 10 } : {}),
      ...(bytes === undefined ? {} : { bytes }),
    });
    timer = context.clock.after(secondsEveryMs, report);
  }

  return {
    caughtUp(now) {
      isCaughtUp = now;
    },
    stop() {
      stopped = true;
      timer.cancel();
      const { timestamp } = rows.progress();
      return isCaughtUp || timestamp === 0 ? context.clock.wall() / 1000 : timestamp;
    },
  };
}

/**
 * Reports while there is no connection: the server may have written ever since `upTo`, which is in
 * Unix seconds. How many bytes nobody can know.
 */
export function lagWhileAway(
  clock: Clock,
  upTo: number,
  reportLag: InputContext["reportLag"],
): { stop(): void } {
  const behind = clock.wall() / 1000 - upTo;
  const since = clock.now();
  let timer = clock.after(0, report);
  function report() {
    const seconds = behind + (clock.now() - since) / 1000;
    reportLag({ seconds: Math.max(0, Math.round(seconds)) });
    timer = clock.after(secondsEveryMs, report);
  }
  return { stop: () => timer.cancel() };
}

/** Bytes from an offset of a file to the end of the newest; undefined for a file not listed. */
export function bytesBehind(
  files: readonly BinlogFile[],
  at: { readonly file: string; readonly pos: number },
): number | undefined {
  const from = files.findIndex((file) => file.name === at.file);
  if (from < 0) return undefined;
  const sum = files.slice(from).reduce((total, file) => total + file.bytes, 0);
  return Math.max(0, sum - at.pos);
}

import { readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { type Clock, systemClock, type Timer } from "../clock.ts";
import { DbusError, toDbusError } from "../errors.ts";
import type { Log } from "../log.ts";

export type FileWatch = { close(): void };

export type WatchOptions = {
  readonly file: string;
  /** What it held when it was read last, by `contentOf`. */
  readonly known: string | undefined;
  readonly log: Log;
  /** Called when the file holds something else than before, and has held it for a while. */
  readonly onChange: () => void;
  readonly clock?: Clock;
};

/** So long the content must have stayed the same: a file that is being written has not. */
const SETTLE_MS = 200;

/**
 * Watches the folder of a file, since editors and deployments put a new file or link in the place
 * of the old one. An event only says that it is worth looking: whatever storm of them comes, the
 * file is read once in `SETTLE_MS`, and told of when two readings in a row are the same and new.
 * A file that is not there is waited for.
 *
 * Throws `USAGE` when the folder cannot be watched.
 */
export function watchFile(options: WatchOptions): FileWatch {
  const { file, log, onChange, clock = systemClock } = options;
  const folder = dirname(file);
  let { known } = options;
  let before = known;
  let timer: Timer | undefined;

  function look(): void {
    timer = undefined;
    const content = contentOf(file);
    const settled = content === before;
    before = content;
    if (content === undefined || content === known) return;
    if (!settled) {
      lookSoon();
      return;
    }
    known = content;
    onChange();
  }

  function lookSoon(): void {
    timer ??= clock.after(SETTLE_MS, look);
  }

  try {
    const watcher = watch(folder, { persistent: false }, lookSoon);
    watcher.on("error", (error) => {
      log.error(`${folder} is not watched any more; reload with SIGHUP`, {
        error: toDbusError(error),
      });
    });
    // It may have changed between that reading and now.
    lookSoon();
    return {
      close() {
        timer?.cancel();
        watcher.close();
      },
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const remedy = "start it without --watch, and reload with SIGHUP or dbc reload";
    throw new DbusError("USAGE", `--watch cannot watch ${folder}: ${why}`, { remedy });
  }
}

/** The bytes of a file as text, to be compared; undefined when it cannot be read. */
export function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return undefined;
  }
}

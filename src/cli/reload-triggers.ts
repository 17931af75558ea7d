import { closeSync, openSync } from "node:fs";
import type { Log } from "../log.ts";
import { type FileWatch, type WatchOptions, watchFile } from "./watch-file.ts";

export type ReloadTriggers = {
  /** Hands over what they do; what came before is done now. */
  ready(daemon: TriggeredDaemon): void;
  off(): void;
};

export type TriggeredDaemon = {
  reload(by: string): Promise<unknown>;
  stop(reason: string): Promise<void>;
};

export type TriggerOptions = {
  readonly log: Log;
  /** The file to watch, with `--watch`, and what it held when it was read last. */
  readonly watch: Pick<WatchOptions, "file" | "known"> | undefined;
  /** Whether it was started from a terminal, whose end is told by SIGHUP as well. */
  readonly terminal: boolean;
  readonly terminalIsGone?: () => boolean;
};

/**
 * SIGHUP and a file that has changed reload the configuration. However many come while one reload
 * is under way, one more follows it: that one reads what all of them were about. The outcome is in
 * the log. Where a terminal was closed, SIGHUP stops the daemon as SIGTERM does.
 *
 * Throws `USAGE` when the file cannot be watched.
 */
export function onReload(options: TriggerOptions): ReloadTriggers {
  const { log, watch, terminal, terminalIsGone = noTerminal } = options;
  let daemon: TriggeredDaemon | undefined;
  let asked: string | undefined;
  let busy = false;

  async function work(): Promise<void> {
    busy = true;
    for (let by = asked; daemon && by !== undefined; by = asked) {
      asked = undefined;
      // Whoever reloads has logged why it was refused.
      await daemon.reload(by).catch(() => {});
    }
    busy = false;
  }

  function ask(by: string): void {
    asked = by;
    if (daemon && !busy) void work();
  }

  const onHangup = () => {
    if (!terminal || !terminalIsGone()) ask("SIGHUP");
    else if (daemon) void daemon.stop("SIGHUP: the terminal was closed");
    else process.exit(128 + SIGHUP);
  };
  const watched: FileWatch | undefined =
    watch && watchFile({ ...watch, log, onChange: () => ask("--watch") });
  process.on("SIGHUP", onHangup);
  return {
    ready(given) {
      daemon = given;
      if (asked !== undefined) void work();
    },
    off() {
      watched?.close();
      process.off("SIGHUP", onHangup);
    },
  };
}

const SIGHUP = 1;

/** A process whose terminal was closed has none to open any more. */
function noTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return false;
  } catch {
    return true;
  }
}

import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { systemClock } from "../clock.ts";
import { toDbusError } from "../errors.ts";
import { createLog } from "../log-writer.ts";
import { endProcess } from "./end-process.ts";
import { BEAT, BEAT_MS, STALL_MS, TURN, type WatchdogMessage } from "./watchdog.ts";

declare const self: Worker;

/** The exit code of a process whose event loop never went on. */
const STALLED = 6;

const paths = new Map<number, string>();

self.onmessage = ({ data }: MessageEvent<WatchdogMessage>) => {
  if (data.kind === "actor") paths.set(data.number, data.path);
  else watch(data);
};

function watch({ memory: buffer, options }: Extract<WatchdogMessage, { kind: "watch" }>): void {
  const memory = new Int32Array(buffer);
  const log = createLog(options.log);
  let beat = -1;
  let stalledMs = 0;
  let told = false;
  let last = systemClock.now();

  function look(): void {
    systemClock.after(BEAT_MS, look);
    const now = systemClock.now();
    // A process that was stopped as a whole is not one whose loop stands still.
    const passed = Math.min(now - last, 3 * BEAT_MS);
    last = now;
    const current = Atomics.load(memory, BEAT);
    if (current !== beat) {
      if (told) log.warn("the event loop goes on", { stalledMs: Math.round(stalledMs) });
      beat = current;
      stalledMs = 0;
      told = false;
      return;
    }
    stalledMs += passed;
    if (stalledMs >= STALL_MS && !told) {
      told = true;
      log.warn("the event loop stands still: nothing else gets its turn", whoIs(memory));
    }
    if (options.stallMsMax > 0 && stalledMs >= options.stallMsMax) end();
  }
  look();

  function end(): void {
    const who = whoIs(memory);
    const note = { at: systemClock.wall(), stalledMs: Math.round(stalledMs), ...who };
    log.error("the event loop stands still for too long: this process ends", {
      ...who,
      code: "LOOP_STALLED",
      exitCode: STALLED,
    });
    try {
      writeNote(options.noteFile, JSON.stringify(note));
    } catch (error) {
      log.error("the note for the next start cannot be written", { error: toDbusError(error) });
    }
    endProcess(STALLED);
  }
}

/** Who had his turn; what runs between two turns was begun by one that is known. */
function whoIs(memory: Int32Array): { readonly actor: string | null; readonly running: boolean } {
  const number = Atomics.load(memory, TURN);
  return { actor: paths.get(Math.abs(number)) ?? null, running: number > 0 };
}

function writeNote(path: string, text: string): void {
  const file = openSync(path, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

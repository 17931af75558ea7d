import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { toDbusError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type AtHand, createAtHand, readAtHand } from "./at-hand.ts";
import type { CrashStore } from "./store.ts";

/** The filter or output that stood still in the process before, and where it notes its packets. */
export type Careful = { readonly node: string; readonly atHand: AtHand };

export type StallDeps = {
  readonly dir: string;
  readonly crashes: CrashStore;
  readonly clock: Clock;
  readonly log: Log;
};

export const stallFile = (dir: string): string => join(dir, "stall.json");

/**
 * Reads the note of a watchdog that ended the process before this one. The node that it names is
 * careful from now on: it notes each packet that it is given, so that the next note tells which one
 * it was, and that counts as a crash of the node with it.
 */
export function afterStall({ dir, crashes, clock, log }: StallDeps): Careful | undefined {
  const noteFile = stallFile(dir);
  const handFile = join(dir, "at-hand.json");
  if (!existsSync(noteFile)) return undefined;
  const note = readNote(noteFile, log);
  rmSync(noteFile, { force: true });
  const node = /^engine\/pipeline\/(?:filters|outputs)\/(.+)$/.exec(note.actor ?? "")?.[1];
  if (node === undefined) return undefined;
  const key = readAtHand(handFile);
  if (key?.node === node) {
    const before = crashes.list(node).find((one) => isSame(one, key));
    const at = clock.wall();
    const reason = `it did not return within ${note.stalledMs} ms, and held up everything else`;
    const crash = { ...key, crashes: (before?.crashes ?? 0) + 1, code: "LOOP_STALLED", reason };
    crashes.put([{ ...crash, firstAt: before?.firstAt ?? at, lastAt: at }]);
    const { input, partition, position } = key;
    log.warn("this packet was at hand", { node, input, partition, position, times: crash.crashes });
  }
  return { node, atHand: createAtHand(handFile) };
}

type Note = { readonly actor?: string | null; readonly stalledMs?: number };

function readNote(path: string, log: Log): Note {
  try {
    const note = JSON.parse(readFileSync(path, "utf8")) as Note;
    log.error("the process before this one stood still and was ended", { note });
    return note;
  } catch (error) {
    log.warn("the note of a stall cannot be read", { error: toDbusError(error) });
    return {};
  }
}

function isSame(a: Key, b: Key): boolean {
  return (
    a.input === b.input &&
    a.resource === b.resource &&
    a.partition === b.partition &&
    a.position === b.position
  );
}

type Key = {
  readonly input: string;
  readonly resource: string;
  readonly partition: string;
  readonly position: string;
};

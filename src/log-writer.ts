import { writeSync } from "node:fs";
import { systemClock } from "./clock.ts";
import { DbusError } from "./errors.ts";
import type { Log, LogFields, LogLevel } from "./log.ts";
import { safeJson, safeText } from "./log-value.ts";

export type LogOptions = {
  /** The least level that is written; `info` unless told. */
  readonly level?: LogLevel;
  /** `auto`, the default, is pretty on a terminal and JSON lines elsewhere. */
  readonly format?: "auto" | "pretty" | "json";
  /** Takes one line with its line end; standard error unless told. */
  readonly write?: (line: string) => void;
  /** Unix milliseconds. */
  readonly wall?: () => number;
};

const levels: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const colours: Readonly<Record<LogLevel, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};
const reset = "\x1b[0m";
const dim = "\x1b[2m";
const FIELDS_MAX = 64;
const STANDARD_ERROR = 2;

type Entry = readonly [name: string, json: string];

/**
 * Makes the log. Every line is one line whatever is in it, is bounded, and no field can pretend to
 * be another (S11). It never throws: a line that cannot be written is dropped and counted, and the
 * next one that can be says how many there were, since a full disk must not stop the bus.
 */
export function createLog(options: LogOptions = {}): Log {
  const { level = "info", format = "auto", wall = systemClock.wall } = options;
  const write = options.write ?? ((line: string) => void writeSync(STANDARD_ERROR, line));
  const pretty = format === "pretty" || (format === "auto" && process.stderr.isTTY === true);
  const colour = pretty && process.env.NO_COLOR === undefined;
  let dropped = 0;

  function line(of: LogLevel, message: string, fields: LogFields): void {
    if (levels[of] < levels[level]) return;
    try {
      const entries = entriesOf(dropped > 0 ? { ...fields, droppedLines: dropped } : fields);
      const time = new Date(wall()).toISOString();
      write(
        pretty
          ? prettyLine(time, of, message, entries, colour)
          : jsonLine(time, of, message, entries),
      );
      dropped = 0;
    } catch {
      dropped++;
    }
  }

  function bound(fields: LogFields): Log {
    const merged = (more: LogFields | undefined) => (more ? { ...fields, ...more } : fields);
    return {
      debug: (message, more) => line("debug", message, merged(more)),
      info: (message, more) => line("info", message, merged(more)),
      warn: (message, more) => line("warn", message, merged(more)),
      error: (message, more) => line("error", message, merged(more)),
      with: (more) => bound({ ...fields, ...more }),
    };
  }
  return bound({});
}

/** An error under the name `error` is spread: what it says, its code, its remedy, its place. */
function entriesOf(fields: LogFields): Entry[] {
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (entries.length >= FIELDS_MAX) break;
    if (name === "error" && value instanceof Error) entries.push(...errorEntries(value));
    else entries.push([reserved.has(name) ? `${name}_` : name, safeJson(value)]);
  }
  return entries;
}

const reserved: ReadonlySet<string> = new Set(["time", "level", "message"]);

function errorEntries(error: Error): Entry[] {
  const entries: Entry[] = [["error", safeJson(error.message)]];
  if (error instanceof DbusError) {
    entries.push(["code", safeJson(error.code)], ["remedy", safeJson(error.remedy)]);
    if (error.place) entries.push(["place", safeJson(error.place)]);
  }
  if (error.cause instanceof Error) entries.push(["cause", safeJson(error.cause.message)]);
  const unexpected = !(error instanceof DbusError) || error.kind === "bug";
  if (unexpected && error.stack) entries.push(["stack", safeJson(error.stack)]);
  return entries;
}

function jsonLine(time: string, level: LogLevel, message: string, entries: readonly Entry[]) {
  const fields = entries.map(([name, json]) => `,${safeText(name)}:${json}`).join("");
  return `{"time":"${time}","level":"${level}","message":${safeText(message)}${fields}}\n`;
}

function prettyLine(
  time: string,
  level: LogLevel,
  message: string,
  entries: readonly Entry[],
  colour: boolean,
): string {
  const paint = (code: string, text: string) => (colour ? `${code}${text}${reset}` : text);
  const fields = entries.map(([name, json]) => ` ${paint(dim, `${bare(safeText(name))}=`)}${json}`);
  const clock = paint(dim, time.slice(11, 23));
  const word = paint(colours[level], level.toUpperCase().padEnd(5));
  return `${clock} ${word} ${bare(safeText(message))}${fields.join("")}\n`;
}

/** A JSON string as people read it: escapes stay, the quotes around it go. */
function bare(json: string): string {
  return json.slice(1, -1).replaceAll('\\"', '"');
}

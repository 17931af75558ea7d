import { type DbusError, toDbusError } from "../errors.ts";

/** Where a command writes; tests hand in arrays. */
export type Streams = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
};

/** Control characters could move the cursor or clear the screen of whoever looks (S11). */
export function printable(text: string): string {
  const control = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;
  return text.replace(control, (char) => {
    return char === "\t" ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Columns as wide as their widest cell; a header in capitals, numbers to the right. */
export function tableText(
  header: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const cells = rows.map((row) =>
    row.map((cell) => {
      if (cell === null) return "-";
      return typeof cell === "number" ? cell.toLocaleString("en-US") : printable(cell);
    }),
  );
  const isNumber = header.map((_, at) => rows.some((row) => typeof row[at] === "number"));
  const width = header.map((title, at) =>
    Math.max(title.length, ...cells.map((row) => row[at]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => {
        return isNumber[at] ? cell.padStart(width[at] ?? 0) : cell.padEnd(width[at] ?? 0);
      })
      .join("  ")
      .trimEnd();
  return `${[header, ...cells].map(line).join("\n")}\n`;
}

/** `1.4 MiB`; whole bytes below 1 KiB. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let size = bytes;
  for (; size >= 1024 && at < units.length - 1; at++) size /= 1024;
  return `${at === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
}

/** The two largest units: `1d 3h`, `4m 5s`, `0.4s`. */
export function durationText(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.floor(ms / 1000);
  const parts: readonly [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

export function timeText(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d+Z$/, "Z");
}

/** How both commands end badly: what happened, its code, and what would be right. */
export function errorText(command: string, thrown: unknown): string {
  const error: DbusError = toDbusError(thrown);
  const message = error.message.trimEnd();
  // Problems of a config bring their own places, codes and remedies, one a line.
  if (message.includes("\n")) return `${message}\n`;
  return `${command}: ${printable(message)} [${error.code}]\n    ${printable(error.remedy)}\n`;
}

import type { Flavor } from "../flavor.ts";

/**
 * A token of a statement. `text` is without quotes; a `quoted` one stood in double quotes, and is
 * a name or a text by where it stands, for that depends on the writer's sql_mode.
 */
export type Token = {
  readonly kind: "word" | "name" | "text" | "quoted" | "number" | "mark";
  readonly text: string;
};

/** The statement says something that we do not understand for sure. */
export class NotUnderstood extends Error {}

const space = /\s+/y;
const lineComment = /(?:#|--(?=\s|$))[^\n]*/y;
const word = /[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*/y;
const number = /\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w$])/y;
/** A name may begin with a digit, as long as it is more than digits. */
const oddWord = /\d+[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*/y;

// A comment that begins with ! and a version: servers of that version or newer run its text.
const executable = /\/\*(M?)!(\d*)/y;

/**
 * Whether the server runs what an executable comment holds. MariaDB passes over those of the
 * versions that only MySQL has (5.7 to 9.99), MySQL over all with an M.
 */
function runs(comment: string, flavor: Flavor): boolean {
  const [, forMariadb = "", digits = ""] = /(M?)!(\d*)/.exec(comment) ?? [];
  const version = Number(digits || 0);
  if (flavor === "mariadb") return version < 50_700 || version > 99_999;
  if (forMariadb !== "") return false;
  if (version > 80_000) throw new NotUnderstood("a comment for some versions");
  return true;
}

/**
 * Cuts a statement into tokens. Comments go; what the server runs inside of one does not.
 * Throws NotUnderstood for what depends on settings that a binlog does not tell.
 */
export function tokenize(sql: string, flavor: Flavor): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let inExecutable = false;

  function matched(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const found = pattern.exec(sql)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  }

  function comment(): boolean {
    if (!sql.startsWith("/*", at)) return false;
    const start = at;
    const head = matched(executable);
    if (head !== undefined && runs(head, flavor)) {
      inExecutable = true;
      return true;
    }
    at = start;
    const end = sql.indexOf("*/", at + 2);
    if (end < 0) throw new NotUnderstood("an open comment");
    at = end + 2;
    return true;
  }

  function skipped(): boolean {
    if (inExecutable && sql.startsWith("*/", at)) {
      at += 2;
      inExecutable = false;
      return true;
    }
    return matched(space) !== undefined || matched(lineComment) !== undefined || comment();
  }

  while (at < sql.length) {
    if (skipped()) continue;
    const quote = sql[at]!;
    if (quote === "'" || quote === '"' || quote === "`") {
      const [text, end] = quotedAt(sql, at, quote);
      at = end;
      tokens.push({ kind: kinds[quote], text });
      continue;
    }
    const digits = matched(number);
    const plain = digits === undefined ? (matched(word) ?? matched(oddWord)) : undefined;
    if (plain !== undefined) {
      tokens.push({ kind: "word", text: plain });
      continue;
    }
    if (digits === undefined) at++;
    tokens.push(
      digits === undefined ? { kind: "mark", text: quote } : { kind: "number", text: digits },
    );
  }
  return tokens;
}

const kinds = { "'": "text", '"': "quoted", "`": "name" } as const;

/** The text between quotes, doubled ones made one, and where it ends. */
function quotedAt(sql: string, start: number, quote: string): [string, number] {
  let text = "";
  for (let at = start + 1; at < sql.length; at++) {
    const char = sql[at]!;
    if (char === "\\" && quote !== "`") {
      // With NO_BACKSLASH_ESCAPES it is a plain character, else it escapes the next one.
      throw new NotUnderstood("a backslash in a text");
    }
    if (char !== quote) text += char;
    else if (sql[at + 1] === quote) {
      text += quote;
      at++;
    } else return [text, at + 1];
  }
  throw new NotUnderstood("an open quote");
}

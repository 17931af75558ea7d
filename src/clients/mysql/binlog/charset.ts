import { DbusError } from "#src/errors.ts";
import tables from "./charset-tables.json";

/** Text of `b` from `start` to `end`. Throws BINLOG_TEXT_INVALID for bytes that are none. */
export type TextReader = (b: Buffer, start: number, end: number) => string;

const beyondAscii = /[\x80-\xff]/;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function invalid(charset: string): DbusError {
  return new DbusError("BINLOG_TEXT_INVALID", `bytes that are not ${charset}`);
}

/**
 * UTF-8 by the runtime's fast path, which replaces what is invalid: so a U+FFFD in its answer is
 * looked at again, strictly.
 */
export function readUtf8(b: Buffer, start: number, end: number): string {
  const text = b.utf8Slice(start, end);
  return text.includes("\ufffd") ? decodeWith(strictUtf8, "utf8mb4", b, start, end) : text;
}

function decodeWith(
  decoder: { decode(bytes: Uint8Array): string },
  charset: string,
  b: Buffer,
  start: number,
  end: number,
): string {
  try {
    return decoder.decode(b.subarray(start, end));
  } catch {
    throw invalid(charset);
  }
}

/** One byte, one character. `chars` has 256 of them, or the upper 128 where the lower are ASCII. */
function singleByte(charset: string, chars: string): TextReader {
  const ascii = chars.length === 128;
  return (b, start, end) => {
    const bytes = b.latin1Slice(start, end);
    if (ascii && !beyondAscii.test(bytes)) return bytes;
    let text = "";
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes.charCodeAt(i);
      if (ascii && byte < 128) {
        text += bytes[i];
        continue;
      }
      const char = chars[ascii ? byte - 128 : byte];
      if (char === undefined || char === "\ufffd") throw invalid(charset);
      text += char;
    }
    return text;
  };
}

/** The length of the character that begins at `at`, for the shapes that Asian encodings have. */
type CharLength = (b: Buffer, at: number) => number;

const twoBytes: CharLength = (b, at) => (b[at]! < 0x80 ? 1 : 2);
const shiftJis: CharLength = (b, at) => {
  const lead = b[at]!;
  return lead < 0x81 || (lead >= 0xa0 && lead < 0xe0) ? 1 : 2;
};
const euc: CharLength = (b, at) => (b[at]! < 0x80 ? 1 : b[at] === 0x8f ? 3 : 2);
const gb18030: CharLength = (b, at) => {
  if (b[at]! < 0x80) return 1;
  const second = b[at + 1] ?? 0;
  return second >= 0x30 && second <= 0x39 ? 4 : 2;
};

/** Runs of codes that MySQL maps otherwise than the WHATWG: first code, first code point, count. */
type Runs = readonly (readonly number[])[];

/**
 * A multi-byte encoding that the runtime has, corrected where MySQL's own table differs: those
 * characters are cut out and looked up, and what lies between them is decoded as it is.
 */
function multiByte(charset: string, encoding: string, length: CharLength, runs: Runs): TextReader {
  const decoder = new TextDecoder(encoding as Bun.Encoding, { fatal: true, ignoreBOM: true });
  const own = new Map<number, string>();
  for (const [code = 0, point = 0, count = 0] of runs) {
    for (let i = 0; i < count; i++) {
      own.set(code + i, point === 0xfffd ? "" : String.fromCodePoint(point + i));
    }
  }
  return (b, start, end) => {
    const bytes = b.latin1Slice(start, end);
    if (!beyondAscii.test(bytes)) return bytes;
    let text = "";
    let from = start;
    for (let at = start, size = 0; at < end; at += size) {
      size = length(b, at);
      if (at + size > end) throw invalid(charset);
      if (size === 1) continue;
      let code = 0;
      for (let i = 0; i < size; i++) code = code * 256 + b[at + i]!;
      const char = own.get(code);
      if (char === undefined) continue;
      if (char === "") throw invalid(charset);
      if (from < at) text += decodeWith(decoder, charset, b, from, at);
      text += char;
      from = at + size;
    }
    return from < end ? text + decodeWith(decoder, charset, b, from, end) : text;
  };
}

function wholeRuntime(charset: string, encoding: string): TextReader {
  const decoder = new TextDecoder(encoding as Bun.Encoding, { fatal: true, ignoreBOM: true });
  return (b, start, end) => decodeWith(decoder, charset, b, start, end);
}

function readUtf32(b: Buffer, start: number, end: number): string {
  if ((end - start) % 4 !== 0) throw invalid("utf32");
  let text = "";
  for (let at = start; at < end; at += 4) {
    const point = b.readUInt32BE(at);
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw invalid("utf32");
    text += String.fromCodePoint(point);
  }
  return text;
}

const readers = new Map<string, TextReader>([
  ["utf8mb4", readUtf8],
  ["utf8mb3", readUtf8],
  ["utf8", readUtf8],
  ["utf16", wholeRuntime("utf16", "utf-16be")],
  ["ucs2", wholeRuntime("ucs2", "utf-16be")],
  ["utf16le", wholeRuntime("utf16le", "utf-16le")],
  ["utf32", readUtf32],
]);
for (const [charset, chars] of Object.entries(tables.single)) {
  readers.set(charset, singleByte(charset, chars));
}
const asian: readonly [string, string, CharLength, Runs][] = [
  ["big5", "big5", twoBytes, tables.multi.big5],
  ["gbk", "gbk", twoBytes, tables.multi.gbk],
  ["gb2312", "gbk", twoBytes, tables.multi.gb2312],
  ["gb18030", "gb18030", gb18030, tables.multi.gb18030],
  ["euckr", "euc-kr", twoBytes, []],
  ["sjis", "shift_jis", shiftJis, tables.multi.sjis],
  ["cp932", "shift_jis", shiftJis, []],
  ["ujis", "euc-jp", euc, tables.multi.ujis],
  ["eucjpms", "euc-jp", euc, tables.multi.eucjpms],
];
for (const [charset, encoding, length, runs] of asian) {
  readers.set(charset, multiByte(charset, encoding, length, runs));
}

/**
 * How text of a MySQL character set is read, undefined for a set that is not known. The tables
 * were recorded from MySQL 9.7 and an integration test compares them with the server, so that
 * each byte becomes the character that the server itself would make of it.
 */
export function textReader(charset: string): TextReader | undefined {
  return readers.get(charset);
}

/** The most bytes that a character of the set takes: `varchar(n)` is logged with n times that. */
export function bytesPerChar(charset: string): number {
  switch (charset) {
    case "utf8mb4":
    case "utf16":
    case "utf16le":
    case "utf32":
    case "gb18030":
      return 4;
    case "utf8mb3":
    case "utf8":
    case "ujis":
    case "eucjpms":
      return 3;
    case "ucs2":
    case "big5":
    case "gbk":
    case "gb2312":
    case "euckr":
    case "sjis":
    case "cp932":
      return 2;
    default:
      return 1;
  }
}

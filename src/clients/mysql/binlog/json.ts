import { createByteSink, putByte, putInt, putText, reserve, takeText } from "#src/byte-sink.ts";
import { putJsonString } from "#src/format/json-put.ts";
import { corrupt, double, int64, uint16, uint32, uint64 } from "./bytes.ts";
import { readUtf8 } from "./charset.ts";
import { columnType } from "./column-type.ts";
import { decimalBytes, decimalReader } from "./decimal.ts";
import { jsonTemporal } from "./temporal.ts";

/**
 * MySQL's binary JSON (`json_binary.h` of the server names the layout):
 *
 *     doc      = type:1 value
 *     object   = count size key-entry* value-entry* key* value*     (2-byte or 4-byte numbers)
 *     array    = count size value-entry* value*
 *     key-entry   = offset length:2
 *     value-entry = type:1 (offset | the value itself if it fits)
 *     string   = varlen bytes, opaque = type:1 varlen bytes
 *
 * Offsets count from the start of their object or array.
 */
const tag = {
  smallObject: 0,
  largeObject: 1,
  smallArray: 2,
  largeArray: 3,
  literal: 4,
  int16: 5,
  uint16: 6,
  int32: 7,
  uint32: 8,
  int64: 9,
  uint64: 10,
  double: 11,
  string: 12,
  opaque: 15,
} as const;

/** The server refuses deeper documents. */
const depthMax = 100;

/** What is read, and how much of it may still be. Sharing of parts is not allowed: see `charge`. */
type Doc = { readonly b: Buffer; readonly end: number; budget: number };

/** What of a document is read already: text put together piece by piece costs several times more. */
const sink = createByteSink(1024);

/**
 * Binary JSON as compact JSON text in which no digit is lost: integers and DECIMAL as they are, a
 * DOUBLE with a point or an exponent, and other SQL values as the server itself spells them.
 */
export function readJson(b: Buffer, start: number, end: number): string {
  if (start === end) return "null";
  // One that could not be read may have left something.
  sink.at = 0;
  readValue({ b, end, budget: end - start + 1 }, b[start]!, start + 1, 1);
  return takeText(sink);
}

/**
 * Each part of a document takes bytes of its own, so that what is read can never add up to more
 * than the document: a forged one whose offsets all point at the same part ends here.
 */
function charge(doc: Doc, at: number, bytes: number): void {
  doc.budget -= bytes;
  if (at + bytes > doc.end || doc.budget < 0) throw corrupt("a JSON value leaves its document");
}

function readValue(doc: Doc, type: number, at: number, depth: number): void {
  if (type <= tag.largeObject) readObject(doc, at, depth, type === tag.largeObject);
  else if (type <= tag.largeArray) readArray(doc, at, depth, type === tag.largeArray);
  else if (type === tag.string) {
    const text = lengthAt(doc, at);
    charge(doc, text.at, text.length);
    readString(doc.b, text.at, text.length);
  } else if (type === tag.opaque) readOpaque(doc, at);
  else readScalar(doc, type, at);
}

const scalarBytes: Readonly<Record<number, number>> = {
  [tag.literal]: 1,
  [tag.int16]: 2,
  [tag.uint16]: 2,
  [tag.int32]: 4,
  [tag.uint32]: 4,
  [tag.int64]: 8,
  [tag.uint64]: 8,
  [tag.double]: 8,
};

const literals = ["null", "true", "false"];

function readScalar(doc: Doc, type: number, at: number): void {
  charge(doc, at, scalarBytes[type] ?? 0);
  const value = scalar(doc.b, type, at);
  if (typeof value === "number") putInt(sink, value);
  else putText(sink, value);
}

/** A whole number, or the text of what is none or may have more digits. */
function scalar(b: Buffer, type: number, at: number): number | string {
  switch (type) {
    case tag.literal: {
      const literal = literals[b[at]!];
      if (literal === undefined) throw corrupt("a JSON literal is unknown");
      return literal;
    }
    case tag.int16:
      return (uint16(b, at) << 16) >> 16;
    case tag.uint16:
      return uint16(b, at);
    case tag.int32:
      return uint32(b, at) | 0;
    case tag.uint32:
      return uint32(b, at);
    case tag.int64:
      return String(int64(b, at));
    case tag.uint64:
      return String(uint64(b, at));
    case tag.double:
      return spellDouble(double(b, at));
    default:
      throw corrupt("a JSON value is of an unknown type");
  }
}

function spellDouble(value: number): string {
  if (!Number.isFinite(value)) throw corrupt("a JSON number is not finite");
  const text = Object.is(value, -0) ? "-0" : String(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}

/** Up to here a loop is faster than the runtime's own decoding and escaping. */
const loopMax = 200;
const [quote, comma, colon, backslash] = [34, 44, 58, 92];
const [openList, closeList, open, close] = [91, 93, 123, 125];

/** Bytes of UTF-8 as a JSON string. */
function readString(b: Buffer, at: number, length: number): void {
  if (length > loopMax || !putPlain(b, at, length))
    putJsonString(sink, readUtf8(b, at, at + length));
}

/** False, and nothing written, for what is not printable ASCII or has to be escaped. */
function putPlain(b: Buffer, from: number, length: number): boolean {
  reserve(sink, length + 2);
  const { buffer } = sink;
  let at = sink.at;
  buffer[at++] = quote;
  for (let i = from; i < from + length; i++) {
    const byte = b[i]!;
    if (byte < 32 || byte > 126 || byte === quote || byte === backslash) return false;
    buffer[at++] = byte;
  }
  buffer[at++] = quote;
  sink.at = at;
  return true;
}

function readObject(doc: Doc, at: number, depth: number, large: boolean): void {
  const { b } = doc;
  const width = large ? 4 : 2;
  const count = head(doc, at, depth, large, 2 * width + 3);
  putByte(sink, open);
  let key = at + 2 * width;
  let value = key + count * (width + 2);
  for (let i = 0; i < count; i++) {
    const name = at + number(b, key, large);
    const length = uint16(b, key + width);
    charge(doc, name, length);
    if (i > 0) putByte(sink, comma);
    readString(b, name, length);
    putByte(sink, colon);
    readEntry(doc, at, value, depth, large);
    key += width + 2;
    value += width + 1;
  }
  putByte(sink, close);
}

function readArray(doc: Doc, at: number, depth: number, large: boolean): void {
  const width = large ? 4 : 2;
  const count = head(doc, at, depth, large, width + 1);
  putByte(sink, openList);
  let value = at + 2 * width;
  for (let i = 0; i < count; i++) {
    if (i > 0) putByte(sink, comma);
    readEntry(doc, at, value, depth, large);
    value += width + 1;
  }
  putByte(sink, closeList);
}

/** Checks the head of an object or array with its entries, and says how many these are. */
function head(doc: Doc, at: number, depth: number, large: boolean, entryBytes: number): number {
  if (depth > depthMax) throw corrupt("a JSON document is nested too deeply");
  const width = large ? 4 : 2;
  charge(doc, at, 2 * width);
  const count = number(doc.b, at, large);
  const size = number(doc.b, at + width, large);
  charge(doc, at + 2 * width, count * entryBytes);
  if (at + size > doc.end) throw corrupt("a JSON container leaves its document");
  return count;
}

function number(b: Buffer, at: number, large: boolean): number {
  return large ? uint32(b, at) : uint16(b, at);
}

/** A value entry: small values stand in it, all others where its offset says. */
function readEntry(doc: Doc, base: number, at: number, depth: number, large: boolean): void {
  const type = doc.b[at]!;
  const inline =
    type === tag.literal ||
    type === tag.int16 ||
    type === tag.uint16 ||
    (large && (type === tag.int32 || type === tag.uint32));
  if (inline) {
    // The entry itself is paid for already.
    doc.budget += scalarBytes[type]!;
    readScalar(doc, type, at + 1);
  } else readValue(doc, type, base + number(doc.b, at + 1, large), depth + 1);
}

/** A length in groups of seven bits, lowest first, and where what it counts begins. */
function lengthAt(doc: Doc, start: number): { at: number; length: number } {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    charge(doc, start + i, 1);
    const byte = doc.b[start + i]!;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { at: start + i + 1, length };
  }
  throw corrupt("a JSON length is too long");
}

function readOpaque(doc: Doc, start: number): void {
  charge(doc, start, 1);
  const type = doc.b[start]!;
  const { at, length } = lengthAt(doc, start + 1);
  charge(doc, at, length);
  putText(sink, opaqueText(doc, type, at, length));
}

function opaqueText(doc: Doc, type: number, at: number, length: number): string {
  switch (type) {
    case columnType.newdecimal:
      return readOpaqueDecimal(doc, at, length);
    case columnType.date:
      return temporal(doc, "date", at, length);
    case columnType.time:
      return temporal(doc, "time", at, length);
    case columnType.datetime:
    case columnType.timestamp:
      return temporal(doc, "datetime", at, length);
    default:
      return `"base64:type${type}:${doc.b.subarray(at, at + length).toString("base64")}"`;
  }
}

function temporal(
  doc: Doc,
  kind: "date" | "datetime" | "time",
  at: number,
  length: number,
): string {
  if (length !== 8) throw corrupt("a JSON date or time has not eight bytes");
  return `"${jsonTemporal(kind, int64(doc.b, at))}"`;
}

function readOpaqueDecimal(doc: Doc, at: number, length: number): string {
  const precision = length < 2 ? 0 : doc.b[at]!;
  const scale = doc.b[at + 1]!;
  const fits = precision > 0 && precision <= 65 && scale <= precision;
  if (!fits || length !== 2 + decimalBytes(precision, scale)) {
    throw corrupt("a JSON decimal does not fit its precision");
  }
  return decimalReader(precision, scale)(doc.b, at + 2);
}

import { copyOf, corrupt, double, int64, uint16, uint32, uint64 } from "./bytes.ts";
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

/**
 * Binary JSON as compact JSON text in which no digit is lost: integers and DECIMAL as they are, a
 * DOUBLE with a point or an exponent, and other SQL values as the server itself spells them.
 */
export function readJson(b: Buffer, start: number, end: number): string {
  if (start === end) return "null";
  return readValue({ b, end, budget: end - start + 1 }, b[start]!, start + 1, 1);
}

/**
 * Each part of a document takes bytes of its own, so that what is read can never add up to more
 * than the document: a forged one whose offsets all point at the same part ends here.
 */
function charge(doc: Doc, at: number, bytes: number): void {
  doc.budget -= bytes;
  if (at + bytes > doc.end || doc.budget < 0) throw corrupt("a JSON value leaves its document");
}

function readValue(doc: Doc, type: number, at: number, depth: number): string {
  switch (type) {
    case tag.smallObject:
      return readObject(doc, at, depth, false);
    case tag.largeObject:
      return readObject(doc, at, depth, true);
    case tag.smallArray:
      return readArray(doc, at, depth, false);
    case tag.largeArray:
      return readArray(doc, at, depth, true);
    case tag.string: {
      const text = lengthAt(doc, at);
      charge(doc, text.at, text.length);
      return quote(readUtf8(doc.b, text.at, text.at + text.length));
    }
    case tag.opaque:
      return readOpaque(doc, at);
    default:
      return readScalar(doc, type, at);
  }
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

function readScalar(doc: Doc, type: number, at: number): string {
  const { b } = doc;
  charge(doc, at, scalarBytes[type] ?? 0);
  switch (type) {
    case tag.literal: {
      const literal = ["null", "true", "false"][b[at]!];
      if (literal === undefined) throw corrupt("a JSON literal is unknown");
      return literal;
    }
    case tag.int16:
      return String((uint16(b, at) << 16) >> 16);
    case tag.uint16:
      return String(uint16(b, at));
    case tag.int32:
      return String(uint32(b, at) | 0);
    case tag.uint32:
      return String(uint32(b, at));
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

/** Whatever is not a printable character that JSON leaves as it is. */
const special = /[^ !#-[\]-\uffff]/;

function quote(text: string): string {
  return special.test(text) ? JSON.stringify(text) : `"${text}"`;
}

function readObject(doc: Doc, at: number, depth: number, large: boolean): string {
  const { b } = doc;
  const width = large ? 4 : 2;
  const count = head(doc, at, depth, large, 2 * width + 3);
  let text = "{";
  let key = at + 2 * width;
  let value = key + count * (width + 2);
  for (let i = 0; i < count; i++) {
    const name = at + number(b, key, large);
    const length = uint16(b, key + width);
    charge(doc, name, length);
    if (i > 0) text += ",";
    text += keyText(b, name, length);
    text += readEntry(doc, at, value, depth, large);
    key += width + 2;
    value += width + 1;
  }
  return `${text}}`;
}

/** Keys, quoted and with their colon: the documents of a column mostly have the same ones. */
const keys: { bytes: Uint8Array; text: string }[] = [];
const keysMax = 1024;
const keyBytesMax = 32;

function keyText(b: Buffer, at: number, length: number): string {
  if (length > keyBytesMax) return `${quote(readUtf8(b, at, at + length))}:`;
  let hash = length;
  for (let i = 0; i < length; i++) hash = (hash * 31 + b[at + i]!) | 0;
  const slot = hash & (keysMax - 1);
  const known = keys[slot];
  if (known !== undefined && isSame(known.bytes, b, at, length)) return known.text;
  const text = `${quote(readUtf8(b, at, at + length))}:`;
  keys[slot] = { bytes: copyOf(b, at, at + length), text };
  return text;
}

function isSame(bytes: Uint8Array, b: Buffer, at: number, length: number): boolean {
  if (bytes.length !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[i] !== b[at + i]) return false;
  return true;
}

function readArray(doc: Doc, at: number, depth: number, large: boolean): string {
  const width = large ? 4 : 2;
  const count = head(doc, at, depth, large, width + 1);
  let text = "[";
  let value = at + 2 * width;
  for (let i = 0; i < count; i++) {
    if (i > 0) text += ",";
    text += readEntry(doc, at, value, depth, large);
    value += width + 1;
  }
  return `${text}]`;
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
function readEntry(doc: Doc, base: number, at: number, depth: number, large: boolean): string {
  const type = doc.b[at]!;
  const inline =
    type === tag.literal ||
    type === tag.int16 ||
    type === tag.uint16 ||
    (large && (type === tag.int32 || type === tag.uint32));
  if (!inline) return readValue(doc, type, base + number(doc.b, at + 1, large), depth + 1);
  // The entry itself is paid for already.
  doc.budget += scalarBytes[type]!;
  return readScalar(doc, type, at + 1);
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

function readOpaque(doc: Doc, start: number): string {
  charge(doc, start, 1);
  const type = doc.b[start]!;
  const { at, length } = lengthAt(doc, start + 1);
  charge(doc, at, length);
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

import { type ByteSink, putInt, putText } from "../byte-sink.ts";
import { DbusError } from "../errors.ts";
import { type Column, JsonText, type Value } from "../flow/packet.ts";
import { putJsonString } from "./json-put.ts";
import { epochDays, epochDigits, timeMicros, zonedText } from "./sql-time.ts";

/** A value that is there: neither SQL NULL nor absent from the row image. */
export type Present = Exclude<Value, null | undefined>;

/** Writes one value of one column as JSON text. Throws `FORMAT_VALUE`. */
export type ValueEncoder = (value: Present, sink: ByteSink) => void;

export type BigintMode = "number" | "string";

function base64(bytes: Uint8Array): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return `"${view.toString("base64")}"`;
}

function double(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  throw new DbusError("FORMAT_VALUE", "a number that is not finite has no JSON form");
}

/** The fewest digits that read back as the same 32-bit float: 0.1, not 0.10000000149011612. */
function single(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 24) return double(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return double(short);
  }
  return double(value);
}

function putBigint(sink: ByteSink, value: bigint): void {
  // Rounded only where it is far above what is written as a number.
  const number = Number(value);
  if (number >= 0 && number < 1e9) putInt(sink, number);
  else putText(sink, value.toString());
}

/** By the type of the value alone: what the encoders fall back to. */
const plain: ValueEncoder = (value, sink) => {
  switch (typeof value) {
    case "string":
      return putJsonString(sink, value);
    case "number":
      return putText(sink, double(value));
    case "bigint":
      return putBigint(sink, value);
    default:
      return putText(sink, value instanceof JsonText ? oneLine(value.text) : base64(value));
  }
};

/** A value is a part of a line; within JSON a line end can only stand between values. */
function oneLine(json: string): string {
  return /[\r\n]/.test(json) ? json.replace(/[\r\n]/g, " ") : json;
}

const quoted: ValueEncoder = (value, sink) => {
  if (typeof value === "bigint") putText(sink, `"${value}"`);
  else plain(value, sink);
};

const floatValue: ValueEncoder = (value, sink) => {
  if (typeof value === "number") putText(sink, single(value));
  else plain(value, sink);
};

const intValue: ValueEncoder = (value, sink) => {
  if (Number.isSafeInteger(value)) putInt(sink, value as number);
  else plain(value, sink);
};

const textValue: ValueEncoder = (value, sink) => {
  if (typeof value === "string") putJsonString(sink, value);
  else plain(value, sink);
};

/** What MySQL keeps of a figure: its SRID, then the well-known binary of it. */
const sridBytes = 4;
/** A byte of byte order, four of type, two doubles. */
const wkbPointBytes = 21;

function coordinate(value: number): string {
  return Number.isFinite(value) ? double(value) : "null";
}

/**
 * Debezium's structs `io.debezium.data.geometry.Geometry`, and `Point` for a column of that type,
 * in the order of their fields. `unknown` stands for SRID 0.
 */
function figure(column: Column, unknown: string): ValueEncoder {
  const isPoint = /^point/i.test(column.type);
  return (value, sink) => {
    if (!(value instanceof Uint8Array)) {
      plain(value, sink);
      return;
    }
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const srid = view.byteLength < sridBytes ? 0 : view.getUint32(0, true);
    const wkb = view.byteLength < sridBytes ? value : value.subarray(sridBytes);
    putText(sink, "{");
    if (isPoint && wkb.length === wkbPointBytes) {
      const littleEndian = wkb[0] === 1;
      const [x, y] = [9, 17].map((at) => coordinate(view.getFloat64(at, littleEndian)));
      putText(sink, `"x":${x},"y":${y},`);
    }
    putText(sink, `"wkb":${base64(wkb)},"srid":${srid === 0 ? unknown : srid}}`);
  };
}

/** The numbers of a VECTOR, each in the fewest digits that read back as the same float. */
const floats: ValueEncoder = (value, sink) => {
  if (!(value instanceof Uint8Array) || value.byteLength % 4 !== 0) {
    plain(value, sink);
    return;
  }
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const count = value.byteLength / 4;
  const texts = Array.from({ length: count }, (_, i) => single(view.getFloat32(i * 4, true)));
  putText(sink, `[${texts.join(",")}]`);
};

/** `row` format: every value as SQL shows it, JSON embedded as it is. */
export function plainEncoder(column: Column, bigint: BigintMode): ValueEncoder {
  switch (column.kind) {
    case "int":
    case "year":
      return intValue;
    case "bigint":
    case "bit":
      return bigint === "string" ? quoted : plain;
    case "float":
      return /^float/i.test(column.type) ? floatValue : plain;
    case "json":
    case "binary":
      return plain;
    case "geometry":
      return figure(column, "0");
    case "vector":
      return floats;
    default:
      return textValue;
  }
}

/** What an encoder of text makes of a day that does not exist: null, or 1970 where it must be. */
function temporal(
  column: Column,
  encode: (text: string) => string | null,
  epoch: string,
): ValueEncoder {
  const nothing = column.nullable ? "null" : epoch;
  return (value, sink) => {
    if (typeof value === "string") putText(sink, encode(value) ?? nothing);
    else plain(value, sink);
  };
}

function bits(column: Column): ValueEncoder {
  const width = Number(/\((\d+)\)/.exec(column.type)?.[1] ?? 1);
  if (width === 1) return (value, sink) => putText(sink, value ? "true" : "false");
  const known: string[] = [];
  return (value, sink) => {
    if (typeof value !== "bigint") {
      plain(value, sink);
      return;
    }
    const small = value < 256n ? Number(value) : undefined;
    let text = small === undefined ? undefined : known[small];
    if (text === undefined) {
      // Debezium's io.debezium.data.Bits: the bytes of the number, the lowest first.
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      text = base64(bytes.subarray(0, Math.ceil(width / 8)));
      if (small !== undefined) known[small] = text;
    }
    putText(sink, text);
  };
}

/** Digits after the second that the column keeps, e.g. 3 for `datetime(3)`. */
function fractionDigits(column: Column): number {
  return Number(/\((\d)\)/.exec(column.type)?.[1] ?? 0);
}

function zoned(text: string): string | null {
  const found = zonedText(text);
  return found === null ? null : `"${found}"`;
}

/**
 * Debezium's documented mapping for MySQL with its defaults (`time.precision.mode=
 * adaptive_time_microseconds`, `binary.handling.mode=bytes`), and `decimal.handling.mode=string`.
 * Two differences, both towards exactness: BIGINT UNSIGNED never wraps, and the years 0 to 99 stay
 * as they are.
 */
export function debeziumEncoder(column: Column, bigint: BigintMode): ValueEncoder {
  switch (column.kind) {
    case "bit":
      return bits(column);
    case "date":
      return temporal(column, (text) => epochDays(text)?.toString() ?? null, "0");
    case "time":
      return temporal(column, timeMicros, "0");
    case "datetime": {
      const unit = fractionDigits(column) > 3 ? "us" : "ms";
      return temporal(column, (text) => epochDigits(text, unit), "0");
    }
    case "timestamp":
      return temporal(column, zoned, `"1970-01-01T00:00:00Z"`);
    case "geometry":
      return figure(column, "null");
    case "json":
      return (value, sink) => {
        if (value instanceof JsonText) putJsonString(sink, value.text);
        else plain(value, sink);
      };
    default:
      return plainEncoder(column, bigint);
  }
}

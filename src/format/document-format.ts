import { type ByteSink, putByte, putBytes, putText } from "../byte-sink.ts";
import { type Column, JsonText, type Table, type Value } from "../flow/packet.ts";
import { fragment, putJsonString } from "./json-put.ts";
import { type BigintMode, plainEncoder, type ValueEncoder } from "./json-value.ts";
import { epochDays, isMoment } from "./sql-time.ts";

export type DocumentOptions = {
  readonly bigint: BigintMode;
  /** Dates and times as ISO 8601 has them, or as SQL shows them. */
  readonly dates: "iso" | "sql";
  /** JSON columns as the values that they hold, or as their text. */
  readonly json: "value" | "text";
};

/** Writes an image of a row as one JSON object, a field for each column. */
export type DocumentEncoder = {
  /** Of a column as a part of a key: what differs must be written otherwise. */
  readonly keyEncoders: readonly ValueEncoder[];
  /** Undefined when all of it was written, else the name of a column that the image lacks. */
  put(sink: ByteSink, image: readonly Value[]): string | undefined;
};

const [quote, comma, letterT, open, close] = [34, 44, 84, 123, 125];

/** Compiled once for each version of a table. */
export function compileDocument(table: Table, options: DocumentOptions): DocumentEncoder {
  const encoders = table.columns.map((column) => encoderOf(column, options, "null"));
  const keyEncoders = table.columns.map((column) => encoderOf(column, options, "sql"));
  const heads = table.columns.map(({ name }) => fragment(`${JSON.stringify(name)}:`));
  return {
    keyEncoders,
    put(sink, image) {
      for (let i = 0; i < heads.length; i++) {
        const value = image[i];
        if (value === undefined) return table.columns[i]?.name;
        putByte(sink, i === 0 ? open : comma);
        putBytes(sink, heads[i] as Uint8Array);
        if (value === null) putText(sink, "null");
        else (encoders[i] as ValueEncoder)(value, sink);
      }
      if (heads.length === 0) putByte(sink, open);
      putByte(sink, close);
      return undefined;
    },
  };
}

/** A day that is in no calendar, such as 0000-00-00, is no date to anybody else. */
type NoDay = "null" | "sql";

function encoderOf(
  column: Column,
  { bigint, dates, json }: DocumentOptions,
  noDay: NoDay,
): ValueEncoder {
  const plain = plainEncoder(column, bigint);
  if (column.kind === "json") return json === "text" ? jsonText(plain) : plain;
  if (dates === "sql") return plain;
  switch (column.kind) {
    case "date":
      return day(plain, noDay, (text) => epochDays(text) !== null, putJsonString);
    case "datetime":
      return day(plain, noDay, isMoment, (sink, text) => putMoment(sink, text, '"'));
    case "timestamp":
      return day(plain, noDay, isMoment, (sink, text) => putMoment(sink, text, 'Z"'));
    default:
      return plain;
  }
}

function jsonText(plain: ValueEncoder): ValueEncoder {
  return (value, sink) => {
    if (value instanceof JsonText) putJsonString(sink, value.text);
    else plain(value, sink);
  };
}

function day(
  plain: ValueEncoder,
  noDay: NoDay,
  isDay: (text: string) => boolean,
  put: (sink: ByteSink, text: string) => void,
): ValueEncoder {
  return (value, sink) => {
    if (typeof value !== "string") {
      plain(value, sink);
      return;
    }
    if (isDay(value)) put(sink, value);
    else if (noDay === "sql") plain(value, sink);
    else putText(sink, "null");
  };
}

/** `2026-11-23 20:14:07.120` with a T in the middle: nothing but digits and marks is in it. */
function putMoment(sink: ByteSink, text: string, end: string): void {
  putByte(sink, quote);
  const start = sink.at;
  putText(sink, text);
  sink.buffer[start + 10] = letterT;
  putText(sink, end);
}

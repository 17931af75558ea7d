import type { Value } from "#src/flow/packet.ts";
import { corrupt, double, float, int64, uint64 } from "./bytes.ts";

/**
 * How one column lies in a row image and what is made of it. Sizes and numbers only: the code that
 * is compiled from them must never hold a name or a value out of the data.
 */
export type ColumnCodec =
  | { readonly shape: "int"; readonly bytes: 1 | 2 | 3 | 4; readonly unsigned: boolean }
  | { readonly shape: "bigint"; readonly unsigned: boolean }
  | { readonly shape: "float" | "double" }
  /** Always `bytes` long. */
  | { readonly shape: "fixed"; readonly bytes: number; readonly read: FixedReader }
  /** A length of `lengthBytes`, little-endian, then so many bytes. */
  | {
      readonly shape: "sized";
      readonly lengthBytes: 1 | 2 | 3 | 4;
      readonly read: SizedReader;
    };

export type FixedReader = (b: Buffer, p: number) => Value;
export type SizedReader = (b: Buffer, start: number, end: number) => Value;

/** Where the image that was just read ends. */
export type RowCursor = { at: number };

export type RowReader = (b: Buffer, p: number, end: number, cursor: RowCursor) => Value[];
/** Returns where the image ends, without reading its values. */
export type RowSkipper = (b: Buffer, p: number, end: number) => number;

const runtime = { int64, uint64, float, double, corrupt };

/**
 * Compiles a function that reads row images which carry the columns `present`, in order. Columns
 * that are not carried are `undefined` in the row. An image is a bitmap of NULLs, one bit a carried
 * column, and then the values that are not NULL. The function throws BINLOG_CORRUPT when the
 * image goes beyond `end`: lengths are checked before anything is made of them, and the rest once
 * at the end, since bytes beyond an array read as 0.
 */
export function compileReader(
  codecs: readonly (ColumnCodec | undefined)[],
  present: readonly number[],
): RowReader {
  const body: string[] = [];
  const readers: (FixedReader | SizedReader)[] = [];
  const row: string[] = codecs.map(() => "undefined");
  for (const [bit, column] of present.entries()) {
    const codec = codecs[column];
    if (codec === undefined) throw corrupt("a row carries a column that its table has not");
    row[column] = `v${bit}`;
    body.push(`let v${bit} = null;`, `if (${notNull(bit)}) {`, readCode(codec, bit, readers), "}");
  }
  const named = readers.map((_, i) => `const r${i} = readers[${i}];`).join("\n");
  const code = `"use strict";
const { int64, uint64, float, double, corrupt } = runtime;
${named}
return function readRow(b, p, end, cursor) {
  const n = p;
  p += ${(present.length + 7) >> 3};
  let q = 0;
  ${body.join("\n  ")}
  if (p > end) throw corrupt("a row is longer than its event");
  cursor.at = p;
  return [${row.join(", ")}];
}`;
  return new Function("runtime", "readers", code)(runtime, readers) as RowReader;
}

/** The same walk without the values: for rows that are only counted. */
export function compileSkipper(
  codecs: readonly (ColumnCodec | undefined)[],
  present: readonly number[],
): RowSkipper {
  const body = present.map((column, bit) => {
    const codec = codecs[column];
    if (codec === undefined) throw corrupt("a row carries a column that its table has not");
    const step =
      codec.shape === "sized"
        ? `p += ${codec.lengthBytes} + (${lengthCode(codec.lengthBytes)});`
        : `p += ${fixedBytes(codec)};`;
    return `if (${notNull(bit)}) ${step}`;
  });
  const code = `"use strict";
return function skipRow(b, p, end) {
  const n = p;
  p += ${(present.length + 7) >> 3};
  ${body.join("\n  ")}
  if (p > end) throw corrupt("a row is longer than its event");
  return p;
}`;
  return new Function("corrupt", code)(corrupt) as RowSkipper;
}

function notNull(bit: number): string {
  return `(b[n + ${bit >> 3}] & ${1 << (bit & 7)}) === 0`;
}

function fixedBytes(codec: Exclude<ColumnCodec, { shape: "sized" }>): number {
  if (codec.shape === "int" || codec.shape === "fixed") return codec.bytes;
  return codec.shape === "float" ? 4 : 8;
}

const lengthCodes = {
  1: "b[p] | 0",
  2: "b[p] | b[p + 1] << 8",
  3: "b[p] | b[p + 1] << 8 | b[p + 2] << 16",
  4: "(b[p] | b[p + 1] << 8 | b[p + 2] << 16 | b[p + 3] << 24) >>> 0",
} as const;

function lengthCode(bytes: 1 | 2 | 3 | 4): string {
  return lengthCodes[bytes];
}

function readCode(codec: ColumnCodec, bit: number, readers: (FixedReader | SizedReader)[]): string {
  switch (codec.shape) {
    case "int": {
      const shift = 32 - codec.bytes * 8;
      const raw = lengthCode(codec.bytes);
      if (codec.unsigned) return `v${bit} = (${raw}) >>> 0; p += ${codec.bytes};`;
      return `v${bit} = (${raw}) << ${shift} >> ${shift}; p += ${codec.bytes};`;
    }
    case "bigint":
      return `v${bit} = ${codec.unsigned ? "uint64" : "int64"}(b, p); p += 8;`;
    case "float":
      return `v${bit} = float(b, p); p += 4;`;
    case "double":
      return `v${bit} = double(b, p); p += 8;`;
    case "fixed": {
      const reader = readers.push(codec.read) - 1;
      return `if (p + ${codec.bytes} > end) throw corrupt("a row is longer than its event");
v${bit} = r${reader}(b, p); p += ${codec.bytes};`;
    }
    case "sized": {
      const reader = readers.push(codec.read) - 1;
      return `q = p + ${codec.lengthBytes} + (${lengthCode(codec.lengthBytes)});
if (q > end) throw corrupt("a row is longer than its event");
v${bit} = r${reader}(b, p + ${codec.lengthBytes}, q); p = q;`;
    }
  }
}

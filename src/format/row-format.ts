import { type ByteSink, putByte, putBytes, putInt, putText } from "../byte-sink.ts";
import type { RowChange, Table, Value } from "../flow/packet.ts";
import { fragment, scaled } from "./json-put.ts";
import { type BigintMode, plainEncoder, type ValueEncoder } from "./json-value.ts";

type Image = readonly Value[];
export type Op = RowChange["op"];

/** Writes one change of one table as JSON; `op` and the images may differ from the row's. */
export type ChangeEncoder = {
  readonly encoders: readonly ValueEncoder[];
  put(
    sink: ByteSink,
    row: RowChange,
    op: Op,
    before: Image | undefined,
    after: Image | undefined,
  ): void;
};

const quote = JSON.stringify;
const [comma, open, close] = [44, 91, 93];

/**
 * The seed's row event: `log, pos, db, tbl, dml (I, U, D), ts (Unix seconds of the change), dt (Unix
 * nanoseconds at which dbus wrote it), cols, rows`. Rows hold [after] of an insert, [before, after]
 * of an update and [before] of a delete, their values in the order of `cols`. A column that no image
 * carries is left out of `cols`; one that only one of two images carries is null in the other, which
 * `absent` then says: one list of column names for each row.
 */
export function compileRowEvent(
  table: Table,
  bigint: BigintMode,
  wall: () => number,
): ChangeEncoder {
  const encoders = table.columns.map((column) => plainEncoder(column, bigint));
  const names = table.columns.map((column) => quote(column.name));
  const count = names.length;
  const place = `,"db":${quote(table.db)},"tbl":${quote(table.name)},"dml":"`;
  const placed: Readonly<Record<Op, Uint8Array>> = {
    I: fragment(`${place}I","ts":`),
    U: fragment(`${place}U","ts":`),
    D: fragment(`${place}D","ts":`),
  };
  const wholeCols = fragment(`,"cols":[${names.join(",")}],"rows":[`);
  const end = fragment("]}");
  let log: string | undefined;
  let head = fragment("");
  let now: number | undefined;
  let written = fragment("");

  /** False when the image lacks a column. */
  function putWhole(sink: ByteSink, image: Image): boolean {
    for (let i = 0; i < count; i++) {
      const value = image[i];
      if (value === undefined) return false;
      putByte(sink, i === 0 ? open : comma);
      if (value === null) putText(sink, "null");
      else (encoders[i] as ValueEncoder)(value, sink);
    }
    if (count === 0) putByte(sink, open);
    putByte(sink, close);
    return true;
  }

  function putPartial(sink: ByteSink, images: readonly Image[]): void {
    const carried = [...names.keys()].filter((i) => images.some((image) => image[i] !== undefined));
    putText(sink, `,"cols":[${carried.map((i) => names[i]).join(",")}],"rows":[`);
    for (const [n, image] of images.entries()) {
      putText(sink, n === 0 ? "[" : ",[");
      for (const [at, i] of carried.entries()) {
        if (at > 0) putByte(sink, comma);
        const value = image[i];
        if (value === null || value === undefined) putText(sink, "null");
        else (encoders[i] as ValueEncoder)(value, sink);
      }
      putByte(sink, close);
    }
    const absent = images.map((image) => {
      return `[${carried.filter((i) => image[i] === undefined).map((i) => names[i])}]`;
    });
    const mark = absent.some((list) => list !== "[]") ? `,"absent":[${absent.join(",")}]` : "";
    putText(sink, `]${mark}}`);
  }

  function putRows(sink: ByteSink, before: Image | undefined, after: Image | undefined): void {
    const start = sink.at;
    putBytes(sink, wholeCols);
    let whole = before === undefined || putWhole(sink, before);
    if (whole && before && after) putByte(sink, comma);
    if (whole && after) whole = putWhole(sink, after);
    if (whole) {
      putBytes(sink, end);
    } else {
      sink.at = start;
      putPartial(
        sink,
        [before, after].filter((image) => image !== undefined),
      );
    }
  }

  return {
    encoders,
    put(sink, row, op, before, after) {
      if (row.log !== log) {
        log = row.log;
        head = fragment(`{"log":${quote(log)},"pos":`);
      }
      putBytes(sink, head);
      putInt(sink, row.pos);
      putBytes(sink, placed[op]);
      putInt(sink, row.ts);
      const wallNow = wall();
      if (wallNow !== now) {
        now = wallNow;
        written = fragment(`,"dt":${scaled(now, "000000")}`);
      }
      putBytes(sink, written);
      putRows(sink, before, after);
    },
  };
}

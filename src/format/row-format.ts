import type { RowChange, Table, Value } from "../flow/packet.ts";
import { type BigintMode, plainEncoder, scaledDigits, type ValueEncoder } from "./json-value.ts";

type Image = readonly Value[];
export type Op = RowChange["op"];

/** Writes one change of one table as JSON text; `op` and the images may differ from the row's. */
export type ChangeEncoder = {
  readonly encoders: readonly ValueEncoder[];
  change(row: RowChange, op: Op, before: Image | undefined, after: Image | undefined): string;
};

const quote = JSON.stringify;

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
  const wholeCols = `,"cols":[${names.join(",")}],"rows":[`;
  let log: string | undefined;
  let head = "";

  /** Undefined when the image lacks a column. */
  function whole(image: Image): string | undefined {
    let text = "";
    for (let i = 0; i < count; i++) {
      const value = image[i];
      if (value === undefined) return undefined;
      const json = value === null ? "null" : (encoders[i] as ValueEncoder)(value);
      text = i === 0 ? json : `${text},${json}`;
    }
    return text;
  }

  function partial(images: readonly Image[]): string {
    const carried = names.map((_, i) => images.some((image) => image[i] !== undefined));
    const cols = names.filter((_, i) => carried[i]);
    const rows = images.map((image) => {
      const texts = names.map((_, i) => {
        const value = image[i];
        return value === null || value === undefined ? "null" : encoders[i]?.(value);
      });
      return `[${texts.filter((_, i) => carried[i]).join(",")}]`;
    });
    const absent = images.map((image) => {
      return `[${names.filter((_, i) => carried[i] && image[i] === undefined).join(",")}]`;
    });
    const mark = absent.some((list) => list !== "[]") ? `,"absent":[${absent.join(",")}]` : "";
    return `,"cols":[${cols.join(",")}],"rows":[${rows.join(",")}]${mark}}`;
  }

  function body(before: Image | undefined, after: Image | undefined): string {
    const first = before && whole(before);
    const second = after && whole(after);
    if ((before && first === undefined) || (after && second === undefined)) {
      return partial([before, after].filter((image) => image !== undefined));
    }
    if (first === undefined) return `${wholeCols}[${second ?? ""}]]}`;
    return second === undefined
      ? `${wholeCols}[${first}]]}`
      : `${wholeCols}[${first}],[${second}]]}`;
  }

  return {
    encoders,
    change(row, op, before, after) {
      if (row.log !== log) {
        log = row.log;
        head = `{"log":${quote(log)},"pos":`;
      }
      const now = scaledDigits(wall(), "000000");
      return `${head}${row.pos}${place}${op}","ts":${row.ts},"dt":${now}${body(before, after)}`;
    },
  };
}

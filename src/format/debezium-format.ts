import type { RowChange, Table, Transaction, Value } from "../flow/packet.ts";
import { type BigintMode, debeziumEncoder, scaledDigits, type ValueEncoder } from "./json-value.ts";
import type { ChangeEncoder, Op } from "./row-format.ts";

type Image = readonly Value[];

export type DebeziumOptions = {
  readonly bigint: BigintMode;
  /** `source.name`, what Debezium calls the topic prefix. */
  readonly sourceName: string;
  /** `source.version`. */
  readonly version: string;
  /** Unix milliseconds. */
  readonly wall: () => number;
};

const quote = JSON.stringify;
const ops: Readonly<Record<Op, string>> = { I: "c", U: "u", D: "d" };

/**
 * Debezium's change event for MySQL, the payload alone as with `schemas.enable=false`: before,
 * after, source, transaction, op, ts_ms, ts_us, ts_ns, in that order. `source.row` counts the rows
 * of the transaction, not of the event. Columns that an image does not carry are left out of it.
 */
export function compileEnvelope(table: Table, options: DebeziumOptions): ChangeEncoder {
  const encoders = table.columns.map((column) => debeziumEncoder(column, options.bigint));
  const heads = table.columns.map((column) => `${quote(column.name)}:`);
  const origin = `"source":{"version":${quote(options.version)},"connector":"mysql","name":${quote(options.sourceName)},"ts_ms":`;
  const place = `,"snapshot":"false","db":${quote(table.db)},"sequence":null,"ts_us":`;
  const named = `,"table":${quote(table.name)},"server_id":`;
  let txn: Transaction | undefined;
  let server = "";
  let log: string | undefined;
  let file = "";

  function image(values: Image | undefined): string {
    if (!values) return "null";
    let text = "{";
    for (let i = 0; i < heads.length; i++) {
      const value = values[i];
      if (value === undefined) continue;
      if (text.length > 1) text += ",";
      text += heads[i];
      text += value === null ? "null" : (encoders[i] as ValueEncoder)(value);
    }
    return `${text}}`;
  }

  function source(row: RowChange): string {
    if (row.txn !== txn) {
      txn = row.txn;
      server = `${named}${txn.serverId},"gtid":${quote(txn.gtid ?? null)},"file":`;
    }
    if (row.log !== log) {
      log = row.log;
      file = `${quote(log)},"pos":`;
    }
    const { ts } = row;
    const nanos = scaledDigits(ts, "000000000");
    const times = `${ts * 1000}${place}${scaledDigits(ts, "000000")},"ts_ns":${nanos}`;
    return `${origin}${times}${server}${file}${row.pos},"row":${row.ordinal},"thread":null,"query":null}`;
  }

  return {
    encoders,
    change(row, op, before, after) {
      const now = options.wall();
      const data = `{"before":${image(before)},"after":${image(after)},${source(row)}`;
      const micros = `"ts_us":${scaledDigits(now, "000")}`;
      const times = `"ts_ms":${now},${micros},"ts_ns":${scaledDigits(now, "000000")}}`;
      return `${data},"transaction":null,"op":"${ops[op]}",${times}`;
    },
  };
}

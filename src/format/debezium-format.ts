import { type ByteSink, putByte, putBytes, putInt, putText } from "../byte-sink.ts";
import type { RowChange, Table, Transaction, Value } from "../flow/packet.ts";
import { fragment, scaled } from "./json-put.ts";
import { type BigintMode, debeziumEncoder, type ValueEncoder } from "./json-value.ts";
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
const sourceEnd = `,"thread":null,"query":null},"transaction":null,"op":`;
const ends: Readonly<Record<Op, Uint8Array>> = {
  I: fragment(`${sourceEnd}"c","ts_ms":`),
  U: fragment(`${sourceEnd}"u","ts_ms":`),
  D: fragment(`${sourceEnd}"d","ts_ms":`),
};
const [comma, open, close] = [44, 123, 125];
const beforeHead = fragment(`{"before":`);
const afterHead = fragment(`,"after":`);
const rowHead = fragment(`,"row":`);

/**
 * Debezium's change event for MySQL, the payload alone as with `schemas.enable=false`: before,
 * after, source, transaction, op, ts_ms, ts_us, ts_ns, in that order. `source.row` counts the rows
 * of the transaction, not of the event. Columns that an image does not carry are left out of it.
 */
export function compileEnvelope(table: Table, options: DebeziumOptions): ChangeEncoder {
  const encoders = table.columns.map((column) => debeziumEncoder(column, options.bigint));
  const heads = table.columns.map((column) => fragment(`${quote(column.name)}:`));
  const name = quote(options.sourceName);
  const origin = `,"source":{"version":${quote(options.version)},"connector":"mysql","name":${name}`;
  const place = `"db":${quote(table.db)},"sequence":null`;
  let txn: Transaction | undefined;
  let log: string | undefined;
  let ts: number | undefined;
  let source = fragment("");
  let now: number | undefined;
  let end = fragment("");

  function putImage(sink: ByteSink, image: Image | undefined): void {
    if (!image) {
      putText(sink, "null");
      return;
    }
    const start = sink.at;
    for (let i = 0; i < heads.length; i++) {
      const value = image[i];
      if (value === undefined) continue;
      putByte(sink, sink.at === start ? open : comma);
      putBytes(sink, heads[i] as Uint8Array);
      if (value === null) putText(sink, "null");
      else (encoders[i] as ValueEncoder)(value, sink);
    }
    if (sink.at === start) putByte(sink, open);
    putByte(sink, close);
  }

  /** The rows of a transaction have nearly all of their source in common. */
  function putSource(sink: ByteSink, row: RowChange): void {
    if (row.txn !== txn || row.log !== log || row.ts !== ts) {
      ({ txn, log, ts } = row);
      const times = `"ts_us":${scaled(ts, "000000")},"ts_ns":${scaled(ts, "000000000")}`;
      const server = `"server_id":${txn.serverId},"gtid":${quote(txn.gtid ?? null)}`;
      source = fragment(
        `${origin},"ts_ms":${ts * 1000},"snapshot":"false",${place},${times},` +
          `"table":${quote(table.name)},${server},"file":${quote(log)},"pos":`,
      );
    }
    putBytes(sink, source);
    putInt(sink, row.pos);
    putBytes(sink, rowHead);
    putInt(sink, row.ordinal);
  }

  return {
    encoders,
    put(sink, row, op, before, after) {
      const wallNow = options.wall();
      if (wallNow !== now) {
        now = wallNow;
        const times = `"ts_us":${scaled(now, "000")},"ts_ns":${scaled(now, "000000")}`;
        end = fragment(`${now},${times}}`);
      }
      putBytes(sink, beforeHead);
      putImage(sink, before);
      putBytes(sink, afterHead);
      putImage(sink, after);
      putSource(sink, row);
      putBytes(sink, ends[op]);
      putBytes(sink, end);
    },
  };
}

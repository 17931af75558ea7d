import { version } from "../../package.json";
import { type ByteSink, createByteSink, putBytes, takeText, type Writable } from "../byte-sink.ts";
import { systemClock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import { type Packet, type RowChange, recordOf, type Table, type Value } from "../flow/packet.ts";
import { compileEnvelope } from "./debezium-format.ts";
import type { BigintMode } from "./json-value.ts";
import { compileKey, type KeyEncoder, type KeyPolicy } from "./key.ts";
import { type ChangeEncoder, compileRowEvent, type Op } from "./row-format.ts";

export const formatNames = ["row", "debezium"] as const;
export type FormatName = (typeof formatNames)[number];

/** Text is to be written as UTF-8. */
export type Encoded = Uint8Array | string | null;

export type RecordHeader = readonly [name: string, value: Uint8Array | string | null];

export type FormatRecord = {
  readonly key: Encoded;
  /** null is a tombstone. A row writes itself, and may throw `FORMAT_VALUE` as it does. */
  readonly value: Encoded | Writable;
  readonly headers: readonly RecordHeader[];
};

export type FormatOptions = {
  /** BIGINT as JSON digits (exact, for readers that can) or as strings. */
  readonly bigint?: BigintMode;
  /** Whether a delete is followed by a record without a value; needs a key. */
  readonly tombstones?: boolean;
  /** Key columns other than the primary key, by `db.table`. */
  readonly keyColumns?: KeyPolicy["columns"];
  /** The key of tables without one. */
  readonly keyless?: KeyPolicy["keyless"];
  /** `source.name` of the debezium format. */
  readonly sourceName?: string;
  /** Unix milliseconds. */
  readonly wall?: () => number;
};

/** Payloads that are no rows are passed on as they are, whatever the format. */
export type Format = {
  readonly name: FormatName;
  readonly contentType: string;
  /** The packet as one value, an update of a key included. Throws `FORMAT_VALUE`. */
  value(packet: Packet): Encoded;
  /** The value of a row in a buffer of its own, without a string on the way, and `end` behind it. */
  bytes(row: RowChange, end: Uint8Array): Buffer;
  /** The key after the change; null without one. Throws `FORMAT_KEY_MISSING`. */
  key(packet: Packet): Encoded;
  /**
   * The packet as records of a keyed log, in order: one, or a delete and its tombstone, or, when an
   * update changes the key, the delete of the old key and the insert of the new one, so that a
   * compacted log forgets the old one. Throws `FORMAT_VALUE`, `FORMAT_KEY_MISSING`.
   */
  records(packet: Packet): readonly FormatRecord[];
};

/** The value of a row's record, written when it is needed. */
class RowValue implements Writable {
  readonly #body: ChangeEncoder;
  readonly #row: RowChange;
  readonly #op: Op;
  readonly #before: readonly Value[] | undefined;
  readonly #after: readonly Value[] | undefined;

  constructor(
    body: ChangeEncoder,
    row: RowChange,
    op: Op,
    before: readonly Value[] | undefined,
    after: readonly Value[] | undefined,
  ) {
    this.#body = body;
    this.#row = row;
    this.#op = op;
    this.#before = before;
    this.#after = after;
  }

  writeTo(sink: ByteSink): void {
    this.#body.put(sink, this.#row, this.#op, this.#before, this.#after);
  }
}

type Codec = { readonly body: ChangeEncoder; readonly key: KeyEncoder };

const noHeaders: readonly RecordHeader[] = [];

/** Makes a format. What it compiles for a table lives as long as the table's value does. */
export function createFormat(name: FormatName, options: FormatOptions = {}): Format {
  const bigint = options.bigint ?? "number";
  const wall = options.wall ?? systemClock.wall;
  const tombstones = options.tombstones ?? name === "debezium";
  const policy = { columns: options.keyColumns ?? {}, keyless: options.keyless ?? "none" };
  const envelope = { bigint, wall, version, sourceName: options.sourceName ?? "dbus" };
  const codecs = new WeakMap<Table, Codec>();
  let table: Table | undefined;
  let codec: Codec | undefined;
  const scratch = createByteSink(4096);

  function codecOf(row: RowChange): Codec {
    if ((row.op === "D" ? row.before : row.after) === undefined) {
      throw new DbusError("FORMAT_VALUE", `a row change ${row.op} without its image`);
    }
    // Rows come in runs of one table, so the last codec is nearly always the right one.
    if (codec && row.table === table) return codec;
    table = row.table;
    codec = codecs.get(table);
    if (!codec) {
      const body =
        name === "row" ? compileRowEvent(table, bigint, wall) : compileEnvelope(table, envelope);
      codec = { body, key: compileKey(table, policy, body.encoders) };
      codecs.set(table, codec);
    }
    return codec;
  }

  function deleted(
    codec: Codec,
    row: RowChange,
    key: string | null,
    headers: readonly RecordHeader[],
  ): FormatRecord[] {
    const value = new RowValue(codec.body, row, "D", row.before, undefined);
    if (!tombstones || key === null) return [{ key, value, headers }];
    return [
      { key, value, headers },
      { key, value: null, headers },
    ];
  }

  function rowRecords(row: RowChange): readonly FormatRecord[] {
    const codec = codecOf(row);
    const key = codec.key.current(row);
    if (row.op === "D") return deleted(codec, row, key, noHeaders);
    const former = row.op === "U" ? codec.key.former(row) : null;
    if (former !== null) {
      const value = new RowValue(codec.body, row, "I", undefined, row.after);
      const moved = name === "debezium" && key !== null;
      const to: readonly RecordHeader[] = moved ? [["__debezium.newkey", key]] : noHeaders;
      const from: readonly RecordHeader[] = moved ? [["__debezium.oldkey", former]] : noHeaders;
      return [...deleted(codec, row, former, to), { key, value, headers: from }];
    }
    const value = new RowValue(codec.body, row, row.op, row.before, row.after);
    return [{ key, value, headers: noHeaders }];
  }

  function put(row: RowChange, sink: ByteSink): void {
    codecOf(row).body.put(sink, row, row.op, row.before, row.after);
  }

  function bytes(row: RowChange, end: Uint8Array): Buffer {
    const sink = createByteSink(1 << 20);
    put(row, sink);
    putBytes(sink, end);
    return sink.buffer.subarray(0, sink.at);
  }

  function value(packet: Packet): Encoded {
    const { payload } = packet;
    switch (payload.kind) {
      case "row":
        scratch.at = 0;
        put(payload, scratch);
        return takeText(scratch);
      case "bytes":
        return payload.value;
      case "text":
        return payload.text;
      case "document":
        return payload.json;
    }
  }

  function key(packet: Packet): Encoded {
    const { payload } = packet;
    if (payload.kind === "row") return codecOf(payload).key.current(payload);
    return recordOf(payload)?.key ?? null;
  }

  function records(packet: Packet): readonly FormatRecord[] {
    const { payload } = packet;
    if (payload.kind === "row") return rowRecords(payload);
    const headers = recordOf(payload)?.headers ?? noHeaders;
    return [{ key: key(packet), value: value(packet), headers }];
  }

  return { name, contentType: "application/json", value, bytes, key, records };
}

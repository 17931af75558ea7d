import { taggedValue, untaggedValue } from "../deadletter/packet-codec.ts";
import { DbusError } from "../errors.ts";
import type {
  Headers,
  Payload,
  RecordFrame,
  RowChange,
  Table,
  Transaction,
  Value,
} from "../flow/packet.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { TableOf } from "./json-batch.ts";

/*
 * A payload is a byte that says what it is, and
 *
 *   row       op u8, table, transaction, ordinal, log (a name), pos, ts, flags u8 for before and after,
 *             and the values of each: a count, and as many values
 *   bytes     its frame and its value
 *   text, document   flags u8 whether there is a frame, the text, the frame
 *   other     JSON, tagged as in `packet-codec.ts`
 *
 * A frame is its key, its headers (a count, and as many pairs of values), and its other four values.
 */
const KIND = { other: 0, row: 1, bytes: 2, text: 3, document: 4 } as const;
const OPS = ["I", "U", "D"] as const;
const BEFORE = 1;
const AFTER = 2;

/** What stands in many packets of one body, by number. */
export type Names = {
  write(writer: ByteWriter, name: string): void;
  read(reader: ByteReader): string;
  writeTable(writer: ByteWriter, table: Table): void;
  readTable(reader: ByteReader): Table;
  writeTxn(writer: ByteWriter, txn: Transaction): void;
  readTxn(reader: ByteReader): Transaction;
};

/** The JSON of tables: they are shared by all their rows, and few. */
const textOf = new WeakMap<Table, string>();

export function createNames(tableOf?: TableOf): Names {
  const names = createList<string>();
  const tables = createList<Table>();
  const txns = createList<Transaction>();
  return {
    write: (writer, name) => names.write(writer, name, () => writer.value(name)),
    read: (reader) => names.read(reader, () => String(reader.value())),
    writeTable(writer, table) {
      tables.write(writer, table, () => {
        const text = textOf.get(table) ?? JSON.stringify(taggedValue(table));
        textOf.set(table, text);
        writer.value(text);
      });
    },
    readTable: (reader) => tables.read(reader, () => (tableOf as TableOf)(String(reader.value()))),
    writeTxn(writer, txn) {
      txns.write(writer, txn, () => {
        writer.value(txn.gtid);
        writer.value(txn.serverId);
      });
    },
    readTxn: (reader) =>
      txns.read(reader, () => ({
        gtid: reader.value() as string | undefined,
        serverId: reader.value() as number,
      })),
  };
}

function createList<T>() {
  const numbers = new Map<T, number>();
  const known: T[] = [];
  let last: T | undefined;
  let lastNumber = -1;
  return {
    write(writer: ByteWriter, one: T, define: () => void): void {
      if (one !== last || lastNumber < 0) {
        last = one;
        lastNumber = numbers.get(one) ?? -1;
      }
      if (lastNumber >= 0) {
        writer.count(lastNumber);
        return;
      }
      lastNumber = numbers.size;
      numbers.set(one, lastNumber);
      writer.count(lastNumber);
      define();
    },
    read(reader: ByteReader, define: () => T): T {
      const number = reader.count();
      if (number < known.length) return known[number] as T;
      if (number > known.length) throw new DbusError("SPILL_DAMAGED", "a name is not there");
      const one = define();
      known.push(one);
      return one;
    },
  };
}

export function writePayload(writer: ByteWriter, payload: Payload, names: Names): void {
  if (!isWhole(payload)) {
    writer.byte(KIND.other);
    writer.value(JSON.stringify(taggedValue(payload)));
    return;
  }
  switch (payload.kind) {
    case "row":
      writer.byte(KIND.row);
      writeRow(writer, payload, names);
      return;
    case "bytes":
      writer.byte(KIND.bytes);
      writeFrame(writer, payload);
      writer.value(payload.value);
      return;
    case "text":
    case "document":
      writer.byte(KIND[payload.kind]);
      writer.byte(payload.record ? 1 : 0);
      writer.value(payload.kind === "text" ? payload.text : payload.json);
      if (payload.record) writeFrame(writer, payload.record);
      return;
  }
}

/** A plugin of a user's own may have made what the types do not know. */
function isWhole(payload: Payload): boolean {
  if (payload.kind === "bytes") return Array.isArray(payload.headers);
  if (payload.kind === "text" || payload.kind === "document") return true;
  return (
    payload.kind === "row" && typeof payload.table === "object" && typeof payload.txn === "object"
  );
}

export function readPayload(reader: ByteReader, names: Names): Payload {
  const kind = reader.byte();
  switch (kind) {
    case KIND.row:
      return readRow(reader, names);
    case KIND.bytes:
      return { kind: "bytes", ...readFrame(reader), value: reader.value() as Uint8Array | null };
    case KIND.text:
    case KIND.document: {
      const framed = reader.byte() === 1;
      const text = reader.value() as string;
      const frame = framed ? { record: readFrame(reader) } : {};
      return kind === KIND.text
        ? { kind: "text", text, ...frame }
        : { kind: "document", json: text, ...frame };
    }
    case KIND.other:
      return untaggedValue(JSON.parse(String(reader.value()))) as Payload;
    default:
      throw new DbusError("SPILL_DAMAGED", "a packet is of no known kind");
  }
}

function writeRow(writer: ByteWriter, row: RowChange, names: Names): void {
  const { before, after } = row;
  writer.byte(OPS.indexOf(row.op));
  names.writeTable(writer, row.table);
  names.writeTxn(writer, row.txn);
  writer.value(row.ordinal);
  names.write(writer, row.log);
  writer.value(row.pos);
  writer.value(row.ts);
  writer.byte((before ? BEFORE : 0) | (after ? AFTER : 0));
  if (before) writeValues(writer, before);
  if (after) writeValues(writer, after);
}

function readRow(reader: ByteReader, names: Names): RowChange {
  const op = OPS[reader.byte()];
  if (!op) throw new DbusError("SPILL_DAMAGED", "a row is no kind of change");
  const table = names.readTable(reader);
  const txn = names.readTxn(reader);
  const ordinal = reader.value() as number;
  const log = names.read(reader);
  const pos = reader.value() as number;
  const ts = reader.value() as number;
  const flags = reader.byte();
  const before = flags & BEFORE ? readValues(reader) : undefined;
  const after = flags & AFTER ? readValues(reader) : undefined;
  return { kind: "row", op, table, before, after, txn, ordinal, log, pos, ts };
}

function writeValues(writer: ByteWriter, values: readonly Value[]): void {
  writer.count(values.length);
  for (let i = 0; i < values.length; i++) writer.value(values[i]);
}

function readValues(reader: ByteReader): Value[] {
  const values: Value[] = [];
  for (let left = reader.count(); left > 0; left--) values.push(reader.value());
  return values;
}

function writeFrame(writer: ByteWriter, frame: RecordFrame): void {
  writer.value(frame.key);
  writer.count(frame.headers.length);
  for (const [name, value] of frame.headers) {
    writer.value(name);
    writer.value(value);
  }
  writer.value(frame.timestamp);
  writer.value(frame.partition);
  writer.value(frame.offset);
  writer.value(frame.partitions);
}

function readFrame(reader: ByteReader): RecordFrame {
  const key = reader.value() as Uint8Array | null;
  const headers: Headers[number][] = [];
  for (let left = reader.count(); left > 0; left--) {
    headers.push([String(reader.value()), reader.value() as Headers[number][1]]);
  }
  const timestamp = reader.value() as number | undefined;
  const places = { partition: reader.value(), offset: reader.value(), partitions: reader.value() };
  return { key, headers, timestamp, ...definedOf(places) };
}

/** What was not there before is not there now. */
function definedOf(places: { readonly [name: string]: Value }): Partial<RecordFrame> {
  return Object.fromEntries(Object.entries(places).filter(([, value]) => value !== undefined));
}

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
import type { TableOf } from "./spill-batch.ts";

/*
 * A payload is a byte that says what it is, and
 *
 *   row       op u8, table, transaction, ordinal, log (a name), pos, ts, flags u8 for before and after,
 *             the values of each: a count, and as many values; and what else is in it
 *   bytes     its key, headers and timestamp, what else is in it, its value
 *   text, document   flags u8 whether there is a frame, the text, what else is in it, the frame
 *   other     JSON, tagged as in `packet-codec.ts`
 *
 * A frame is its key, its headers (a count, and as many pairs of values), its timestamp, and what else
 * is in it: a count, and as many names and values.
 */
const KIND = { other: 0, row: 1, bytes: 2, text: 3, document: 4 } as const;
const OPS = ["I", "U", "D"] as const;
/** What has its place; all else goes by name. */
const inRow = new Set([
  "kind",
  "op",
  "table",
  "before",
  "after",
  "txn",
  "ordinal",
  "log",
  "pos",
  "ts",
]);
const inFrame = new Set(["key", "headers", "timestamp"]);
const inBytes = new Set([...inFrame, "kind", "value"]);
const inText = new Set(["kind", "text", "json", "record"]);
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
      writeFrame(writer, payload, inBytes, names);
      writer.value(payload.value);
      return;
    case "text":
    case "document":
      writer.byte(KIND[payload.kind]);
      writer.byte(payload.record ? 1 : 0);
      writer.value(payload.kind === "text" ? payload.text : payload.json);
      writeMore(writer, payload, inText, names);
      if (payload.record) writeFrame(writer, payload.record, inFrame, names);
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
      return {
        kind: "bytes",
        ...readFrame(reader, names),
        value: reader.value() as Uint8Array | null,
      };
    case KIND.text:
    case KIND.document: {
      const framed = reader.byte() === 1;
      const text = reader.value() as string;
      const more = readMore(reader, names);
      const frame = framed ? { record: readFrame(reader, names) } : nothing;
      return kind === KIND.text
        ? { kind: "text", text, ...more, ...frame }
        : { kind: "document", json: text, ...more, ...frame };
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
  writeMore(writer, row, inRow, names);
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
  const row: RowChange = { kind: "row", op, table, before, after, txn, ordinal, log, pos, ts };
  const more = readMore(reader, names);
  return more === nothing ? row : { ...row, ...more };
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

function writeFrame(
  writer: ByteWriter,
  frame: RecordFrame,
  known: ReadonlySet<string>,
  names: Names,
): void {
  writer.value(frame.key);
  writer.count(frame.headers.length);
  for (const [name, value] of frame.headers) {
    writer.value(name);
    writer.value(value);
  }
  writer.value(frame.timestamp);
  writeMore(writer, frame, known, names);
}

function readFrame(reader: ByteReader, names: Names): RecordFrame {
  const key = reader.value() as Uint8Array | null;
  const headers: Headers[number][] = [];
  for (let left = reader.count(); left > 0; left--) {
    headers.push([String(reader.value()), reader.value() as Headers[number][1]]);
  }
  const timestamp = reader.value() as number | undefined;
  return { key, headers, timestamp, ...readMore(reader, names) };
}

/** Whatever else is in an object: a count, and as many names and values. What is new is kept so. */
function writeMore(writer: ByteWriter, of: object, known: ReadonlySet<string>, names: Names): void {
  // Mostly there is nothing, and then nothing is made.
  let count = 0;
  for (const name in of) if (!known.has(name)) count++;
  if (count === 0) {
    writer.count(0);
    return;
  }
  const more = Object.entries(of).filter(([name, one]) => !known.has(name) && one !== undefined);
  writer.count(more.length);
  for (const [name, one] of more) {
    names.write(writer, name);
    writer.value(one as Value);
  }
}

function readMore(reader: ByteReader, names: Names): object {
  const left = reader.count();
  if (left === 0) return nothing;
  const more: [string, Value][] = [];
  for (let i = 0; i < left; i++) more.push([names.read(reader), reader.value()]);
  return Object.fromEntries(more);
}

const nothing = {};

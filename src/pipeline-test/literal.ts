import { z } from "zod";
import { DbusError } from "../errors.ts";
import {
  type Column,
  type ColumnKind,
  JsonText,
  type Packet,
  type Payload,
  type RowChange,
  type Table,
  type Value,
} from "../flow/packet.ts";

/*
 * Packets as people write them into test files, and back: what a filter gave is shown in the same
 * words as what was expected.
 */
const images = z.record(z.string(), z.unknown());

export const tableSchema = z.strictObject({
  columns: z
    .record(z.string(), z.string())
    .describe("The columns in order, with their SQL types: {id: bigint unsigned, note: text}."),
  key: z.array(z.string()).default([]).describe("The columns of the primary key."),
});

const bytesText = z
  .union([z.string(), z.null(), z.record(z.string(), z.unknown()), z.array(z.unknown())])
  .describe("A text, or a value that is written as JSON.");

export const packetSchema = z
  .strictObject({
    ident: z.string().min(1).optional().describe("Its ident. Default: that of the test."),
    row: z
      .strictObject({
        op: z.enum(["I", "U", "D"]).optional().describe("Default: by the images that are there."),
        table: z
          .string()
          .regex(/^[^.]+\..+$/)
          .optional()
          .describe("As db.table."),
        before: images.optional().describe("The columns before."),
        after: images.optional().describe("The columns after."),
        ts: z.number().optional().describe("Unix seconds."),
      })
      .optional()
      .describe("A change of a row."),
    document: z.unknown().optional().describe("A JSON document, as a value."),
    json: z.string().optional().describe("A JSON document, as its text."),
    text: z.string().optional().describe("A line of text."),
    record: z
      .strictObject({
        key: bytesText.optional(),
        value: bytesText.optional(),
        headers: z.record(z.string(), z.string()).optional().describe("Its headers."),
        timestamp: z.number().optional().describe("Unix milliseconds."),
      })
      .optional()
      .describe("A record of a log such as Kafka."),
  })
  .refine(
    (one) =>
      [one.row, one.document, one.json, one.text, one.record].filter((part) => part !== undefined)
        .length === 1,
    { message: "a packet is one of row, document, json, text, record" },
  );

export type PacketLiteral = z.infer<typeof packetSchema>;
export type Tables = Readonly<Record<string, z.infer<typeof tableSchema>>>;

/** Makes the packets of a test; rows of one table share it, as those of an input do. */
export function createPackets(tables: Tables) {
  const known = new Map<string, Table>();

  function tableOf(name: string, image: Readonly<Record<string, unknown>>): Table {
    const declared = Object.hasOwn(tables, name) ? tables[name] : undefined;
    const cached = declared ? name : JSON.stringify([name, shapeOf(image)]);
    let table = known.get(cached);
    if (!table) {
      const columns = declared
        ? Object.entries(declared.columns).map(([column, type]) => columnOf(column, type))
        : Object.entries(image).map(([column, value]) => columnOf(column, guessed(value)));
      const [db = "", ...rest] = name.split(".");
      const primaryKey = (declared?.key ?? []).map((key) => {
        const index = columns.findIndex((column) => column.name === key);
        if (index < 0) throw wrong(`the key of ${name} names ${key}, which is no column of it`);
        return index;
      });
      table = { db, name: rest.join("."), columns, primaryKey };
      known.set(cached, table);
    }
    return table;
  }

  function rowOf(row: NonNullable<PacketLiteral["row"]>, ordinal: number): RowChange {
    const { before, after, table: name = "test.rows", ts = 0 } = row;
    const table = tableOf(name, { ...before, ...after });
    const op = row.op ?? (before === undefined ? "I" : after === undefined ? "D" : "U");
    if ((op === "D" ? before : after) === undefined) {
      throw wrong(`a row of ${name} with op ${op} has no ${op === "D" ? "before" : "after"}`);
    }
    for (const column of Object.keys({ ...before, ...after })) {
      if (table.columns.some((one) => one.name === column)) continue;
      throw wrong(`${name} has no column ${column}`, "write it into columns of tables");
    }
    const image = (fields: Readonly<Record<string, unknown>> | undefined) =>
      fields && table.columns.map((column) => valueOfColumn(ownField(fields, column), column));
    return {
      ...{ kind: "row", op, table, before: image(before), after: image(after), ts },
      ...{ txn: { gtid: undefined, serverId: 1 }, ordinal, log: "test.000001", pos: 4 },
    };
  }

  function payloadOf(literal: PacketLiteral, ordinal: number): Payload {
    const { row, text, json, record, document } = literal;
    if (row) return rowOf(row, ordinal);
    if (text !== undefined) return { kind: "text", text };
    if (json !== undefined) return { kind: "document", json };
    if (!record) return { kind: "document", json: JSON.stringify(document) };
    const { key, value, timestamp } = record;
    const headers = Object.entries(record.headers ?? {});
    return { kind: "bytes", key: bytesOf(key), value: bytesOf(value), headers, timestamp };
  }

  return (literal: PacketLiteral, ident: string, position: number): Packet => {
    const payload = payloadOf(literal, position - 1);
    return { ident: literal.ident ?? ident, payload, position, bytes: 100 };
  };
}

const shapeOf = (image: Readonly<Record<string, unknown>>) =>
  Object.entries(image).map(([name, value]) => [name, guessed(value)]);

function guessed(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "double";
  if (typeof value === "boolean") return "tinyint(1)";
  return value !== null && typeof value === "object" ? "json" : "text";
}

const kinds: readonly (readonly [RegExp, ColumnKind])[] = [
  [/^bigint/i, "bigint"],
  [/^bit/i, "bit"],
  [/^(tinyint|smallint|mediumint|int)/i, "int"],
  [/^(float|double|real)/i, "float"],
  [/^(decimal|numeric)/i, "decimal"],
  [/^(binary|varbinary|\w*blob)/i, "binary"],
  [/^datetime/i, "datetime"],
  [/^timestamp/i, "timestamp"],
  [/^date/i, "date"],
  [/^time/i, "time"],
  [/^year/i, "year"],
  [/^enum/i, "enum"],
  [/^set/i, "set"],
  [/^json/i, "json"],
];

const ownField = (fields: Readonly<Record<string, unknown>>, { name }: Column): unknown =>
  Object.hasOwn(fields, name) ? fields[name] : undefined;

function columnOf(name: string, type: string): Column {
  const kind = kinds.find(([pattern]) => pattern.test(type))?.[1] ?? "text";
  return { name, kind, type, nullable: true };
}

/** Absent columns stay absent. A BIGINT beyond what a number can hold is written as a text. */
function valueOfColumn(value: unknown, column: Column): Value {
  if (value === undefined || value === null) return value;
  switch (column.kind) {
    case "bigint":
    case "bit":
      if (typeof value === "boolean") return BigInt(value);
      if (Number.isSafeInteger(value)) return BigInt(value as number);
      if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) return BigInt(value);
      throw unfit(value, column, "write a whole number, one above 2^53 as a text");
    case "int":
    case "year":
    case "float": {
      const number = Number(value);
      if (column.kind === "float" ? Number.isFinite(number) : Number.isSafeInteger(number)) {
        return number;
      }
      throw unfit(value, column, "write a number");
    }
    case "binary":
      return new Uint8Array(Buffer.from(String(value), "base64"));
    case "json":
      return new JsonText(JSON.stringify(value));
    default:
      return typeof value === "boolean" ? Number(value) : String(value);
  }
}

function unfit(value: unknown, { name, type }: Column, remedy: string): DbusError {
  return wrong(`${JSON.stringify(value)} is no value of the column ${name} ${type}`, remedy);
}

function wrong(what: string, remedy = "mend the packet, or the table"): DbusError {
  return new DbusError("USAGE", what, { remedy });
}

function bytesOf(value: unknown): Uint8Array | null {
  if (value === undefined || value === null) return null;
  return new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
}

/** A packet in the words of a test file. */
export function literalOf({ ident, payload }: Packet): Record<string, unknown> {
  switch (payload.kind) {
    case "row": {
      const { op, table, before, after } = payload;
      const image = (values: readonly Value[] | undefined) =>
        values &&
        Object.fromEntries(
          table.columns.flatMap(({ name }, i) =>
            values[i] === undefined ? [] : [[name, shownValue(values[i])]],
          ),
        );
      const images = { before: image(before), after: image(after) };
      return { ident, row: defined({ op, table: `${table.db}.${table.name}`, ...images }) };
    }
    case "document":
      return { ident, document: jsonOrText(payload.json) };
    case "text":
      return { ident, text: payload.text };
    case "bytes": {
      const { key, value, headers } = payload;
      const shown = (bytes: Uint8Array | null) =>
        bytes === null ? null : jsonOrText(new TextDecoder().decode(bytes));
      const named = headers.map(([name, one]) => [
        name,
        one === null || typeof one === "string" ? one : new TextDecoder().decode(one),
      ]);
      const record = { key: shown(key), value: shown(value), headers: Object.fromEntries(named) };
      return { ident, record };
    }
  }
}

function shownValue(value: Value): unknown {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  }
  if (value instanceof JsonText) return jsonOrText(value.text);
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function defined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined));
}

/** What was written of a packet, in the words of `literalOf`: only that is compared. */
export function expectedOf(literal: PacketLiteral): Record<string, unknown> {
  const { json, document, record, ...rest } = literal;
  const copy: Record<string, unknown> = { ...rest };
  if (json !== undefined) copy.document = jsonOrText(json);
  else if (document !== undefined) copy.document = document;
  if (record) {
    const shown = (value: unknown) => (typeof value === "string" ? jsonOrText(value) : value);
    copy.record = {
      ...record,
      ...("key" in record ? { key: shown(record.key) } : {}),
      ...("value" in record ? { value: shown(record.value) } : {}),
    };
  }
  return copy;
}

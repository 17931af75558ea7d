import type { Column, ColumnKind, Packet, RowChange, Table, Value } from "#src/flow/packet.ts";

const kinds: Readonly<Record<string, ColumnKind>> = {
  int: "int",
  bigint: "bigint",
  double: "float",
  decimal: "decimal",
  json: "json",
  blob: "binary",
};

/** A table of columns written as `name type`; those that end in `!` are its primary key. */
export function tableOf(name: string, ...columns: readonly string[]): Table {
  const [db = "", table = ""] = name.split(".");
  const all = columns.map((text): Column => {
    const [column = "", type = "text"] = text.replace("!", "").split(" ");
    return { name: column, kind: kinds[type] ?? "text", type, nullable: !text.endsWith("!") };
  });
  const primaryKey = columns.flatMap((text, i) => (text.endsWith("!") ? [i] : []));
  return { db, name: table, columns: all, primaryKey };
}

type Images = { readonly before?: readonly Value[]; readonly after?: readonly Value[] };

/** A change of such a table; without images it is an insert of nothing. */
export function changeOf(table: Table, { before, after }: Images, more: Partial<RowChange> = {}) {
  const op = before === undefined ? "I" : after === undefined ? "D" : "U";
  const txn = { gtid: "0-1-5", serverId: 1 };
  const place = { ordinal: 0, log: "binlog.000001", pos: 4, ts: 1_700_000_000 };
  const payload: RowChange = { kind: "row", op, table, before, after, txn, ...place, ...more };
  return { ident: table.db, payload, position: 7, bytes: 100 } satisfies Packet;
}

export const documentOf = (json: string): Packet => ({
  ident: "docs",
  payload: { kind: "document", json },
  position: 7,
  bytes: json.length,
});

export const textOf = (text: string): Packet => ({
  ident: "lines",
  payload: { kind: "text", text },
  position: 7,
  bytes: Math.max(1, text.length),
});

export function recordOf(value: string | null, key: string | null = "k"): Packet {
  const bytes = (text: string | null) => (text === null ? null : new TextEncoder().encode(text));
  const payload = { key: bytes(key), value: bytes(value), headers: [], timestamp: 1_000 };
  return { ident: "topic", payload: { kind: "bytes", ...payload }, position: 7, bytes: 50 };
}

/** The same record as inputs make it that know its value to be JSON: a tombstone stays one. */
export function readRecordOf(value: string | null, key: string | null = "k"): Packet {
  const packet = recordOf(value, key);
  const { payload } = packet;
  if (value === null || payload.kind !== "bytes") return packet;
  const { kind: _, value: __, ...record } = payload;
  return { ...packet, payload: { kind: "document", json: value, record } };
}

import { DbusError } from "#src/errors.ts";
import type { Column, Table } from "#src/flow/packet.ts";
import { readUtf8, textReader } from "./charset.ts";
import { charsetOfCollation } from "./collation.ts";
import { columnCodec } from "./column-codec.ts";
import {
  cannotBeRead,
  fits,
  kindOf,
  parseMembers,
  spellType,
  type WireColumn,
} from "./column-def.ts";
import { isCharacter, columnType as t } from "./column-type.ts";
import {
  type HiddenType,
  hiddenReaders,
  hiddenRemedy,
  hiddenType,
  mayHide,
} from "./mariadb-types.ts";
import type { ColumnCodec } from "./row-codec.ts";
import type { SchemaColumn, TableSchema } from "./schema-lookup.ts";
import { isNullable, type TableMap } from "./table-map.ts";

/** A table as packets show it, with the way to read its rows. */
export type TableVersion = { readonly table: Table; readonly codecs: readonly ColumnCodec[] };

/** Whether TABLE_MAP carries the names. */
export function isNamed(map: TableMap): boolean {
  return map.metadata.names !== undefined;
}

/** Whether TABLE_MAP says everything, so that nobody has to be asked. */
export function isSelfContained(map: TableMap): boolean {
  return isNamed(map) && map.hides !== true;
}

/**
 * Puts together what TABLE_MAP says with what `schema` says where it is silent. Throws
 * SCHEMA_UNKNOWN when both together do not make a table, BINLOG_TYPE_UNSUPPORTED for a column
 * that cannot be read yet. Where there are names and nobody to ask, what is logged as BINARY is.
 */
export function tableVersion(map: TableMap, schema: TableSchema | undefined): TableVersion {
  const asked = isSelfContained(map) ? undefined : schema;
  if (!isNamed(map) && asked === undefined) {
    throw unknown(map, "its TABLE_MAP carries no column names");
  }
  if (asked !== undefined && asked.columns.length !== map.columnCount) {
    const counts = `${map.columnCount} columns when it was logged, ${asked.columns.length} now`;
    throw unknown(map, counts);
  }
  const own = isNamed(map) ? undefined : asked;
  const columns: Column[] = [];
  const codecs: ColumnCodec[] = [];
  for (let i = 0; i < map.columnCount; i++) {
    const hidden = hiddenOf(map, i, asked?.columns[i]);
    const column = resolve(map, i, own?.columns[i], hidden);
    columns.push(column.column);
    codecs.push(column.codec);
  }
  const primaryKey = map.metadata.primaryKey ?? own?.primaryKey ?? [];
  return { table: { db: map.db, name: map.table, columns, primaryKey }, codecs };
}

/** What the definition says of a column that is logged as BINARY; undefined: it is BINARY. */
function hiddenOf(map: TableMap, i: number, column: SchemaColumn | undefined) {
  const collation = map.metadata.collations[i];
  if (column === undefined || !mayHide(map.types[i]!, map.meta[i]!, collation)) return undefined;
  const name = map.metadata.names?.[i];
  if (name !== undefined) {
    const same = name === column.name && column.nullable === isNullable(map, i);
    const wire = wireColumn(map, i, column);
    if (!same || !fits(column.type, column.charset, wire)) throw mismatch(map, column, wire, name);
  }
  return hiddenType(column.type);
}

function resolve(
  map: TableMap,
  i: number,
  schema: SchemaColumn | undefined,
  hidden: HiddenType | undefined,
): { column: Column; codec: ColumnCodec } {
  const nullable = isNullable(map, i);
  const name = map.metadata.names?.[i] ?? schema?.name ?? "";
  const wire = { ...wireColumn(map, i, schema), hidden };
  const known = schema === undefined || !cannotBeRead(schema.type, wire.type);
  const codec = known ? codecOf(map, name, wire) : undefined;
  if (codec === undefined) throw unsupported(map, name, schema?.type ?? typeName(wire.type));
  if (schema !== undefined) {
    const same = schema.nullable === nullable && fits(schema.type, schema.charset, wire);
    if (!same) throw mismatch(map, schema, wire, name);
  }
  const type = schema?.type ?? spellType(wire);
  return { column: { name, kind: kindOf(wire), type, nullable }, codec };
}

function codecOf(map: TableMap, name: string, wire: WireColumn): ColumnCodec | undefined {
  const { unsigned, members, hidden } = wire;
  const plain = wire.charset === "binary" ? undefined : readerOf(map, name, wire);
  const text = hidden === undefined ? plain : hiddenReaders[hidden];
  return columnCodec(wire.type, wire.meta, { unsigned, text, members });
}

/** What the map says wins: it is as of the row, the schema is as of now. */
function wireColumn(map: TableMap, i: number, schema: SchemaColumn | undefined): WireColumn {
  const type = map.types[i]!;
  const collation = map.metadata.collations[i];
  const charset = collation === undefined ? schema?.charset : charsetOfCollation(collation);
  const character = isCharacter(type) || type === t.enum || type === t.set;
  const unsigned = map.metadata.unsigned?.[i] ?? / unsigned/i.test(schema?.type ?? "");
  return {
    type,
    meta: map.meta[i]!,
    unsigned,
    charset: character ? charsetName(map, collation, charset) : undefined,
    members: members(map, i, schema, charset),
    figure: map.metadata.figures[i],
    dimensions: map.metadata.dimensions[i],
  };
}

function charsetName(
  map: TableMap,
  collation: number | undefined,
  found: string | null | undefined,
) {
  if (found === undefined && collation !== undefined) {
    throw unsupported(map, undefined, `text of collation ${collation}`);
  }
  if (found === undefined && isNamed(map)) {
    throw unknown(map, "its TABLE_MAP carries no character sets");
  }
  return found ?? "binary";
}

function members(
  map: TableMap,
  i: number,
  schema: SchemaColumn | undefined,
  charset: string | null | undefined,
): readonly string[] {
  const type = map.types[i]!;
  if (type !== t.enum && type !== t.set) return [];
  const raw = map.metadata.members[i];
  if (raw === undefined) {
    if (schema === undefined) throw unknown(map, "its TABLE_MAP carries no ENUM or SET members");
    return parseMembers(schema.type);
  }
  const read = textReader(charset ?? "binary") ?? readUtf8;
  return raw.map((bytes) => read(Buffer.from(bytes), 0, bytes.length));
}

function readerOf(map: TableMap, name: string, wire: WireColumn) {
  if (wire.charset === undefined) return undefined;
  const reader = textReader(wire.charset);
  if (reader === undefined) throw unsupported(map, name, `text in ${wire.charset}`);
  return reader;
}

function typeName(type: number): string {
  return Object.entries(t).find(([, number]) => number === type)?.[0] ?? `type ${type}`;
}

function placeOf(map: TableMap) {
  return { path: `${map.db}.${map.table}` };
}

function unknown(map: TableMap, why: string): DbusError {
  const remedy = isNamed(map) && map.hides ? { remedy: hiddenRemedy } : {};
  const more = { place: placeOf(map), ...remedy };
  return new DbusError("SCHEMA_UNKNOWN", `${map.db}.${map.table}: ${why}`, more);
}

function mismatch(map: TableMap, schema: SchemaColumn, wire: WireColumn, name: string): DbusError {
  const now = `${schema.name} is ${schema.type}${schema.nullable ? "" : " not null"} now`;
  const logged = `${name === schema.name ? "" : `${name} `}${spellType(wire)}`;
  return unknown(map, `column ${now}, but was logged as ${logged}`);
}

function unsupported(map: TableMap, column: string | undefined, what: string): DbusError {
  const where = column === undefined ? "" : `.${column}`;
  const message = `${map.db}.${map.table}${where}: ${what} cannot be read yet`;
  return new DbusError("BINLOG_TYPE_UNSUPPORTED", message, {
    place: placeOf(map),
    remedy: `exclude the table: tables: {exclude: ["${map.db}.${map.table}"]}`,
  });
}

import type { ColumnKind } from "#src/flow/packet.ts";
import { bytesPerChar } from "./charset.ts";
import { stringLength } from "./column-codec.ts";
import { columnType as t } from "./column-type.ts";
import { type HiddenType, hiddenBytes, hiddenType } from "./mariadb-types.ts";

/** A column in the protocol's own terms. `charset` is undefined for what has none, or `binary`. */
export type WireColumn = {
  readonly type: number;
  readonly meta: number;
  readonly unsigned: boolean;
  readonly charset: string | undefined;
  readonly members: readonly string[];
  /** Of GEOMETRY, where it is told: which kind of figure, as `geometryNames` counts. */
  readonly figure?: number | undefined;
  /** Of VECTOR, where it is told. */
  readonly dimensions?: number | undefined;
  /** What the table's definition says of a column that is logged as BINARY. */
  readonly hidden?: HiddenType | undefined;
};

const kinds: Readonly<Record<number, ColumnKind>> = {
  [t.tiny]: "int",
  [t.short]: "int",
  [t.int24]: "int",
  [t.long]: "int",
  [t.longlong]: "bigint",
  [t.float]: "float",
  [t.double]: "float",
  [t.newdecimal]: "decimal",
  [t.date]: "date",
  [t.newdate]: "date",
  [t.time]: "time",
  [t.time2]: "time",
  [t.datetime]: "datetime",
  [t.datetime2]: "datetime",
  [t.timestamp]: "timestamp",
  [t.timestamp2]: "timestamp",
  [t.year]: "year",
  [t.enum]: "enum",
  [t.set]: "set",
  [t.bit]: "bit",
  [t.json]: "json",
  [t.geometry]: "geometry",
  [t.vector]: "vector",
};

export function kindOf(column: WireColumn): ColumnKind {
  if (column.hidden !== undefined) return "text";
  return kinds[column.type] ?? (column.charset === "binary" ? "binary" : "text");
}

const plainNames: Readonly<Record<number, string>> = {
  [t.tiny]: "tinyint",
  [t.short]: "smallint",
  [t.int24]: "mediumint",
  [t.long]: "int",
  [t.longlong]: "bigint",
  [t.float]: "float",
  [t.double]: "double",
  [t.date]: "date",
  [t.newdate]: "date",
  [t.time]: "time",
  [t.datetime]: "datetime",
  [t.timestamp]: "timestamp",
  [t.year]: "year",
  [t.json]: "json",
};

const fractionNames: Readonly<Record<number, string>> = {
  [t.time2]: "time",
  [t.datetime2]: "datetime",
  [t.timestamp2]: "timestamp",
};

/** In the order of `Field::geometry_type`, spelled as MySQL 8 does. */
const geometryNames = [
  ...["geometry", "point", "linestring", "polygon"],
  ...["multipoint", "multilinestring", "multipolygon", "geomcollection"],
];

const blobNames = ["tiny", "", "medium", "long"];

/** The column's type as MySQL 8 spells it: `int unsigned`, `varchar(20)`, `enum('a','b')`. */
export function spellType(column: WireColumn): string {
  const { type, meta } = column;
  if (column.hidden !== undefined) return column.hidden;
  const sign = column.unsigned ? " unsigned" : "";
  const plain = plainNames[type];
  if (plain !== undefined) return plain + sign;
  const fraction = fractionNames[type];
  if (fraction !== undefined) return meta === 0 ? fraction : `${fraction}(${meta})`;
  if (type === t.newdecimal) return `decimal(${meta & 255},${meta >> 8})${sign}`;
  if (type === t.bit) return `bit(${(meta >> 8) * 8 + (meta & 255)})`;
  if (type === t.geometry) return geometryNames[column.figure ?? 0] ?? "geometry";
  if (type === t.vector) {
    return column.dimensions === undefined ? "vector" : `vector(${column.dimensions})`;
  }
  if (type === t.enum || type === t.set) {
    const names = column.members.map((name) => `'${name.replaceAll("'", "''")}'`);
    return `${type === t.enum ? "enum" : "set"}(${names.join(",")})`;
  }
  return spellCharacters(column);
}

function spellCharacters({ type, meta, charset }: WireColumn): string {
  const binary = charset === "binary";
  const perChar = binary ? 1 : bytesPerChar(charset ?? "");
  if (type === t.string) return `${binary ? "binary" : "char"}(${stringLength(meta) / perChar})`;
  if (type === t.varchar || type === t.varString) {
    return `${binary ? "varbinary" : "varchar"}(${meta / perChar})`;
  }
  return `${blobNames[meta - 1] ?? "long"}${binary ? "blob" : "text"}`;
}

/** First words of `information_schema` types, and the protocol types that they are logged as. */
const wireTypes: Readonly<Record<string, readonly number[]>> = {
  tinyint: [t.tiny],
  smallint: [t.short],
  mediumint: [t.int24],
  int: [t.long],
  bigint: [t.longlong],
  float: [t.float],
  double: [t.double],
  decimal: [t.newdecimal],
  char: [t.string],
  binary: [t.string],
  uuid: [t.string],
  inet4: [t.string],
  inet6: [t.string],
  varchar: [t.varchar, t.varString],
  varbinary: [t.varchar, t.varString],
  tinytext: [t.blob],
  text: [t.blob],
  mediumtext: [t.blob],
  longtext: [t.blob],
  tinyblob: [t.blob],
  blob: [t.blob],
  mediumblob: [t.blob],
  longblob: [t.blob],
  date: [t.date, t.newdate],
  time: [t.time, t.time2],
  datetime: [t.datetime, t.datetime2],
  timestamp: [t.timestamp, t.timestamp2],
  year: [t.year],
  enum: [t.enum],
  set: [t.set],
  bit: [t.bit],
  json: [t.json],
  vector: [t.vector],
  ...Object.fromEntries(
    [...geometryNames, "geometrycollection"].map((name) => [name, [t.geometry]]),
  ),
};

/** As MariaDB logs times of tables that it made before 10.1; those of MySQL have no fractions. */
const oldTimes: readonly number[] = [t.time, t.datetime, t.timestamp];

/**
 * Types of `information_schema` that cannot be read yet. A fraction makes an old time longer, and
 * nothing in TABLE_MAP says so (seen with 10.11 and mysql56_temporal_format=OFF).
 */
export function cannotBeRead(sqlType: string, wireType: number): boolean {
  return /\bcompressed\b/i.test(sqlType) || (oldTimes.includes(wireType) && /\(/.test(sqlType));
}

/**
 * Whether a column that `information_schema` describes as `sqlType` is logged as this. What can
 * be compared is: a table that was altered since then is recognised by it, if by anything.
 */
export function fits(sqlType: string, charset: string | null, wire: WireColumn): boolean {
  const [word = ""] = sqlType.match(/^[a-z0-9]+/i) ?? [];
  const name = word.toLowerCase();
  if (!wireTypes[name]?.includes(wire.type)) return false;
  const numbers = /\(([\d,\s]+)\)/.exec(sqlType)?.[1]?.split(",").map(Number) ?? [];
  const { type, meta } = wire;
  if (type in fractionNames) return (numbers[0] ?? 0) === meta;
  if (type === t.newdecimal) return numbers[0] === (meta & 255) && (numbers[1] ?? 0) === meta >> 8;
  if (type === t.bit) return numbers[0] === (meta >> 8) * 8 + (meta & 255);
  const perChar = charset === null ? 1 : bytesPerChar(charset);
  const hidden = hiddenType(sqlType);
  if (hidden !== undefined) {
    return hiddenBytes(hidden) === stringLength(meta) && wire.charset === "binary";
  }
  if (type === t.string) return numbers[0] === stringLength(meta) / perChar;
  if (type === t.varchar) return numbers[0] === meta / perChar;
  if (type === t.blob) return blobNames.indexOf(name.replace(/text|blob/, "")) + 1 === meta;
  return true;
}

/** The names in `enum('a','it''s')`: doubled quotes and the few escapes that the server writes. */
export function parseMembers(sqlType: string): string[] {
  const names: string[] = [];
  for (const [, quoted = ""] of sqlType.matchAll(/'((?:[^'\\]|''|\\.)*)'/gs)) {
    names.push(quoted.replace(/''|\\(.)/gs, (pair, escaped) => unescaped(pair, escaped)));
  }
  return names;
}

function unescaped(pair: string, escaped: string | undefined): string {
  if (pair === "''") return "'";
  return { n: "\n", r: "\r", "0": "\0" }[escaped ?? ""] ?? escaped ?? "";
}

import type { Flavor } from "../flavor.ts";
import type { Reader } from "./reader.ts";
import { NotUnderstood } from "./tokens.ts";

/** A type as `information_schema` spells it. `text`: it has a character set. */
export type ColumnType = {
  readonly spelled: string;
  readonly text: boolean;
  /** Where the type itself says it. */
  readonly charset?: string;
  /** SERIAL is also NOT NULL. */
  readonly notNull?: boolean;
};

/** Maps, for a type may be called like what every object has. */
const synonyms = new Map(
  Object.entries({
    ...{ integer: "int", int1: "tinyint", int2: "smallint", int3: "mediumint", int4: "int" },
    ...{ int8: "bigint", middleint: "mediumint", dec: "decimal", numeric: "decimal" },
    ...{ fixed: "decimal", character: "char", varcharacter: "varchar", float8: "double" },
    float4: "float",
  }),
);

/** Display widths that MariaDB spells where none is given: signed, unsigned. */
const widths: ReadonlyMap<string, readonly [number, number]> = new Map([
  ["tinyint", [4, 3]],
  ["smallint", [6, 5]],
  ["mediumint", [9, 8]],
  ["int", [11, 10]],
  ["bigint", [20, 20]],
]);

const figures = new Set(
  "geometry point linestring polygon multipoint multilinestring multipolygon".split(" "),
);

const plain = new Set(
  `date tinyblob blob mediumblob longblob tinytext text mediumtext longtext`.split(" "),
);

/** Reads a type and what belongs to it: length, UNSIGNED, ZEROFILL. */
export function readType(reader: Reader, flavor: Flavor): ColumnType {
  const first = reader.next();
  if (first.kind !== "word") throw new NotUnderstood("no type");
  const said = first.text.toLowerCase();
  if (said === "serial") {
    return { spelled: integer("bigint", [], true, false, flavor), text: false, notNull: true };
  }
  if (said === "bool" || said === "boolean") return { spelled: "tinyint(1)", text: false };
  if (said === "double") reader.take("PRECISION");
  let name = synonyms.get(said) ?? said;
  if (name === "char" && reader.take("VARYING")) name = "varchar";
  if (name === "enum" || name === "set") return members(reader, name);
  const numbers = args(reader);
  const sign = signs(reader);
  return typeOf(name, numbers, sign, flavor);
}

function typeOf(
  name: string,
  numbers: readonly number[],
  { unsigned, zerofill }: { unsigned: boolean; zerofill: boolean },
  flavor: Flavor,
): ColumnType {
  const suffix = `${unsigned ? " unsigned" : ""}${zerofill ? " zerofill" : ""}`;
  const [length] = numbers;
  const none = { text: false };
  if (widths.has(name))
    return { ...none, spelled: integer(name, numbers, unsigned, zerofill, flavor) };
  switch (name) {
    case "decimal":
      return { ...none, spelled: `decimal(${length ?? 10},${numbers[1] ?? 0})${suffix}` };
    case "float":
    case "double":
      return { ...none, spelled: floating(name, numbers) + suffix };
    case "bit":
      return { ...none, spelled: `bit(${length ?? 1})` };
    case "year":
      return { ...none, spelled: flavor === "mariadb" ? "year(4)" : "year" };
    case "time":
    case "datetime":
    case "timestamp":
      return { ...none, spelled: length ? `${name}(${length})` : name };
    case "binary":
      return { ...none, spelled: `binary(${length ?? 1})` };
    case "varbinary":
      return { ...none, spelled: `varbinary(${length})` };
    case "char":
      return { spelled: `char(${length ?? 1})`, text: true };
    case "varchar":
      return { spelled: `varchar(${length})`, text: true };
    case "geometrycollection":
    case "geomcollection":
      return {
        ...none,
        spelled: flavor === "mariadb" ? "geometrycollection" : "geomcollection",
      };
    case "uuid":
    case "inet4":
    case "inet6":
      if (flavor === "mariadb") return { ...none, spelled: name };
      break;
    case "vector":
      return { ...none, spelled: `vector(${length ?? 2048})` };
    case "json":
      return flavor === "mariadb"
        ? { spelled: "longtext", text: true, charset: "utf8mb4" }
        : { ...none, spelled: "json" };
  }
  if (figures.has(name)) return { ...none, spelled: name };
  // TEXT(n) becomes the smallest type that holds n characters, which depends on the character set.
  if (!plain.has(name) || numbers.length > 0) throw new NotUnderstood(`the type ${name}`);
  return { spelled: name, text: name.endsWith("text") };
}

function integer(
  name: string,
  numbers: readonly number[],
  unsigned: boolean,
  zerofill: boolean,
  flavor: Flavor,
): string {
  const suffix = `${unsigned ? " unsigned" : ""}${zerofill ? " zerofill" : ""}`;
  const [signedWidth, unsignedWidth] = widths.get(name) ?? [11, 10];
  const width = numbers[0] ?? (unsigned ? unsignedWidth : signedWidth);
  const shown =
    flavor === "mariadb" || zerofill || (name === "tinyint" && width === 1 && !unsigned);
  return `${name}${shown ? `(${width})` : ""}${suffix}`;
}

function floating(name: string, [first, second]: readonly number[]): string {
  if (second !== undefined) return `${name}(${first},${second})`;
  if (name === "float" && first !== undefined && first > 24) return "double";
  return name;
}

function members(reader: Reader, name: string): ColumnType {
  reader.expectMark("(");
  const texts: string[] = [];
  do {
    const token = reader.next();
    if (token.kind !== "text" && token.kind !== "quoted") throw new NotUnderstood("no member");
    // The server cuts spaces at the end.
    texts.push(`'${token.text.replace(/ +$/, "").replaceAll("'", "''")}'`);
  } while (reader.takeMark(","));
  reader.expectMark(")");
  return { spelled: `${name}(${texts.join(",")})`, text: true };
}

function args(reader: Reader): number[] {
  if (!reader.takeMark("(")) return [];
  const numbers: number[] = [];
  do {
    const token = reader.next();
    if (token.kind !== "number") throw new NotUnderstood(`${token.text} is no length`);
    numbers.push(Number(token.text));
  } while (reader.takeMark(","));
  reader.expectMark(")");
  return numbers;
}

function signs(reader: Reader): { unsigned: boolean; zerofill: boolean } {
  let unsigned = false;
  let zerofill = false;
  for (;;) {
    if (reader.take("UNSIGNED")) unsigned = true;
    else if (reader.take("ZEROFILL")) zerofill = true;
    else if (!reader.take("SIGNED")) return { unsigned: unsigned || zerofill, zerofill };
  }
}

import type { Flavor } from "#src/clients/mysql/flavor.ts";

/** How the server itself is asked for the same value, as text that can be compared. */
export type Ask = "text" | "number" | "hex" | "chars" | "bits" | "json";

export type ZooColumn = {
  readonly name: string;
  readonly type: string;
  readonly ask: Ask;
  /** SQL literals; a row takes the one of its number, from the beginning again when they end. */
  readonly values: readonly string[];
};

const ints: readonly ZooColumn[] = [
  ["tinyint", 8],
  ["smallint", 16],
  ["mediumint", 24],
  ["int", 32],
  ["bigint", 64],
].flatMap(([type, bits]) => {
  const top = 2n ** BigInt(Number(bits) - 1);
  const signed = [`-${top}`, "-1", "0", "1", `${top - 1n}`, "NULL", "17"];
  const unsigned = ["0", "1", `${top - 1n}`, `${top}`, `${2n * top - 1n}`, "NULL"];
  return [
    { name: `${type}_s`, type: `${type}`, ask: "text" as const, values: signed },
    { name: `${type}_u`, type: `${type} unsigned`, ask: "text" as const, values: unsigned },
  ];
});

const reals: readonly ZooColumn[] = [
  {
    name: "f",
    type: "float",
    ask: "number",
    values: [
      "0",
      "0.1",
      "-0.1",
      "16777216",
      "3.4028235e38",
      "1.17549435e-38",
      "1e-45",
      "123456.79",
    ],
  },
  {
    name: "d",
    type: "double",
    ask: "number",
    values: ["0", "0.1", "-1e-300", "1.7976931348623157e308", "123456789.123456789", "5e-324"],
  },
];

const decimals: readonly ZooColumn[] = [
  ["decimal(1,0)", ["0", "9", "-9", "NULL"]],
  ["decimal(12,2)", ["0", "0.01", "-0.01", "9999999999.99", "-9999999999.99", "12.3", "100000"]],
  ["decimal(9,9)", ["0", "0.000000001", "-0.123456789", "0.999999999"]],
  ["decimal(10,10)", ["0", "0.0000000001", "-0.9999999999"]],
  ["decimal(18,9)", ["123456789.987654321", "-1", "0.5"]],
  ["decimal(20,0) unsigned", ["99999999999999999999", "0", "1000000000"]],
  [
    "decimal(65,30)",
    [
      "99999999999999999999999999999999999.999999999999999999999999999999",
      "-0.000000000000000000000000000001",
      "1000000000000000000.1",
    ],
  ],
].map(([type, values], i) => ({
  name: `dec${i}`,
  type: type as string,
  ask: "text" as const,
  values: values as string[],
}));

function fractions(sqlType: string, ask: Ask, values: (digits: number) => string[]): ZooColumn[] {
  return [0, 1, 2, 3, 4, 5, 6].map((digits) => ({
    name: `${sqlType}${digits}`,
    type: digits === 0 ? sqlType : `${sqlType}(${digits})`,
    ask,
    values: values(digits),
  }));
}

function point(digits: number, fraction: string): string {
  return digits === 0 ? "" : `.${fraction.slice(0, digits)}`;
}

const temporals: readonly ZooColumn[] = [
  {
    name: "da",
    type: "date",
    ask: "text",
    values: ["'2026-11-23'", "'0000-00-00'", "'9999-12-31'", "'2024-02-00'", "'1000-01-01'"],
  },
  ...fractions("time", "text", (n) => [
    `'00:00:00'`,
    `'12:34:56${point(n, "123456")}'`,
    `'-12:34:56${point(n, "987654")}'`,
    `'838:59:59'`,
    `'-838:59:59'`,
    `'-00:00:00${point(n, "100001")}'`,
    "NULL",
    `'-00:00:01'`,
  ]),
  ...fractions("datetime", "text", (n) => [
    `'2026-11-23 20:14:59${point(n, "123456")}'`,
    `'0000-00-00 00:00:00'`,
    `'9999-12-31 23:59:59${point(n, "999999")}'`,
    `'1000-01-01 00:00:00${point(n, "000001")}'`,
    "NULL",
    `'2024-00-00 01:02:03'`,
  ]),
  ...fractions("timestamp", "text", (n) => [
    `'2026-11-23 20:14:59${point(n, "123456")}'`,
    `'1970-01-01 00:00:01'`,
    `'2038-01-19 03:14:07${point(n, "999999")}'`,
    `'0000-00-00 00:00:00'`,
    `'2000-02-29 23:59:59'`,
  ]).map((column) => ({ ...column, type: `${column.type} null` })),
  { name: "y", type: "year", ask: "bits", values: ["1901", "2155", "2026", "'0000'", "NULL"] },
  // Behind YEAR on purpose: the signedness bits count numeric columns, and it must be none.
  { name: "y_after", type: "int unsigned", ask: "text", values: ["4294967295", "0"] },
];

const mixed = `_utf8mb4'plain', _utf8mb4'', NULL, _utf8mb4'it''s "q" \\\\ back', _utf8mb4'tab\\tnl\\n'`;
const texts: readonly ZooColumn[] = [
  ["char(10)", "utf8mb4", `${mixed}, _utf8mb4'héé', _utf8mb4'日本語😀', 'trail   '`],
  ["char(255)", "utf8mb4", `_utf8mb4'日本語😀', 'x', REPEAT(_utf8mb4'😀', 255)`],
  ["varchar(20)", "utf8mb4", `${mixed}, _utf8mb4'日本語😀', 'trail   '`],
  ["varchar(300)", "utf8mb4", `_utf8mb4'日本', REPEAT('x', 300), REPEAT(_utf8mb4'é', 300)`],
  ["varchar(20)", "utf8mb3", `${mixed}, _utf8mb4'日本語'`],
  ["varchar(20)", "latin1", `${mixed}, _utf8mb4'é€ÿ', _binary 0x818D8F909D`],
  ["varchar(20)", "ascii", "'abc', ''"],
  ["varchar(20)", "ucs2", `${mixed}, _utf8mb4'日本語'`],
  ["varchar(20)", "utf16", `${mixed}, _utf8mb4'日本語😀'`],
  ["varchar(20)", "utf16le", `${mixed}, _utf8mb4'日本語😀'`],
  [
    "char(7)",
    "utf32",
    `${mixed.replace(/,[^,]*$/, "")}, _utf8mb4'日😀'`.replace(/'it''s[^,]*/, "'its'"),
  ],
  ["varchar(20)", "gbk", `${mixed}, _utf8mb4'你好，世界'`],
  ["varchar(20)", "gb2312", "_utf8mb4'你好—・', 'x'"],
  ["varchar(20)", "big5", "_utf8mb4'中文字', 'x'"],
  ["varchar(20)", "sjis", "_utf8mb4'日本語ｱ', 'a\\\\b', _utf8mb4'〜−'"],
  ["varchar(20)", "cp932", "_utf8mb4'日本語ｱ～①', 'a'"],
  ["varchar(20)", "ujis", "_utf8mb4'日本語〜', 'a'"],
  ["varchar(20)", "eucjpms", "_utf8mb4'日本語～①', 'a'"],
  ["varchar(20)", "euckr", "_utf8mb4'한국어', 'a'"],
  ["varchar(20)", "cp1251", "_utf8mb4'Привет', 'a'"],
  ["varchar(20)", "koi8r", "_utf8mb4'Привет', 'a'"],
  ["varchar(20)", "latin2", "_utf8mb4'Łódź', 'a'"],
  ["varchar(20)", "greek", "_utf8mb4'Ελλάδα', 'a'"],
  ["varchar(20)", "hebrew", "_utf8mb4'שלום', 'a'"],
  ["varchar(20)", "swe7", "_utf8mb4'Åäö', 'a'"],
  ["tinytext", "utf8mb4", "_utf8mb4'tiny é', '', NULL"],
  ["text", "latin1", "_utf8mb4'text é', REPEAT('t', 65535)"],
  ["mediumtext", "utf8mb4", "REPEAT(_utf8mb4'é', 70000), 'm'"],
  ["longtext", "utf8mb4", "_utf8mb4'long 😀', NULL, ''"],
].map(([type, charset, values], i) => ({
  name: `txt${i}`,
  type: `${type} character set ${charset}`,
  ask: "chars" as const,
  values: splitLiterals(values!),
}));

/** Splits at commas that stand outside quotes and parentheses. */
function splitLiterals(list: string): string[] {
  return list.match(/(?:'(?:''|\\.|[^'\\])*'|\([^)]*\)|[^,'(])+/g)!.map((part) => part.trim());
}

const binaries: readonly ZooColumn[] = [
  ["binary(4)", ["0x00000000", "0x61", "0x61620000", "0xff00ff00", "NULL", "''"]],
  ["binary(255)", ["0x61", "REPEAT(0xfe, 255)"]],
  ["varbinary(10)", ["x''", "0x00", "0x6100", "0xfffefd", "NULL"]],
  ["varbinary(1000)", ["0x00ff", "REPEAT(0x20, 1000)"]],
  ["tinyblob", ["0x00", "''", "NULL"]],
  ["blob", ["0x00ff", "REPEAT(0x00, 40000)"]],
  ["mediumblob", ["REPEAT(0xab, 70000)", "0x01"]],
  ["longblob", ["0x0102", "NULL"]],
].map(([type, values], i) => ({
  name: `bin${i}`,
  type: type as string,
  ask: "hex" as const,
  values: values as string[],
}));

const members300 = Array.from({ length: 300 }, (_, i) => `'m${i}'`).join(",");
const members64 = Array.from({ length: 64 }, (_, i) => `'s${i}'`).join(",");
const choices: readonly ZooColumn[] = [
  {
    name: "en",
    type: "enum('a','b b','it''s','é')",
    ask: "chars",
    values: ["'a'", "'it''s'", "4", "NULL"],
  },
  { name: "en2", type: `enum(${members300})`, ask: "chars", values: ["'m0'", "'m299'", "'m255'"] },
  { name: "en3", type: "enum('è','z') character set latin1", ask: "chars", values: ["1", "2"] },
  {
    name: "st",
    type: "set('x','y','z')",
    ask: "chars",
    values: ["''", "'x,z'", "'y'", "NULL", "'z,y,x'"],
  },
  {
    name: "st64",
    type: `set(${members64})`,
    ask: "chars",
    values: ["'s0,s63'", "'s31,s32'", "''", "'s8'"],
  },
  { name: "b1", type: "bit(1)", ask: "bits", values: ["0", "1", "NULL"] },
  { name: "b8", type: "bit(8)", ask: "bits", values: ["0", "255", "b'10101'"] },
  { name: "b13", type: "bit(13)", ask: "bits", values: ["0", "8191", "257"] },
  {
    name: "b64",
    type: "bit(64)",
    ask: "bits",
    values: ["0", "18446744073709551615", "4294967296", "1"],
  },
];

const wkt = (text: string, srid = 0) => `ST_GeomFromText('${text}', ${srid})`;
const figures: readonly ZooColumn[] = [
  ["point", [wkt("POINT(1.5 -2)"), wkt("POINT(48.2 16.4)", 4326), "NULL"]],
  ["geometry", [wkt("LINESTRING(0 0, 1 1, 2 0.1)"), wkt("POINT(0 0)"), "NULL"]],
  ["linestring", [wkt("LINESTRING(0 0, 1e300 -1e-300)")]],
  ["polygon", [wkt("POLYGON((0 0, 10 0, 10 10, 0 0), (1 1, 2 1, 2 2, 1 1))")]],
  ["multipoint", [wkt("MULTIPOINT((0 0), (1 1))", 4326)]],
  ["multilinestring", [wkt("MULTILINESTRING((0 0, 1 1), (2 2, 3 3))")]],
  ["multipolygon", [wkt("MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))")]],
  [
    "geometrycollection",
    [wkt("GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))"), wkt("GEOMETRYCOLLECTION EMPTY")],
  ],
].map(([type, values]) => ({
  name: `geo_${type}`,
  type: type as string,
  ask: "hex" as const,
  values: values as string[],
}));

/** Text behind them on purpose: lists of character sets count character columns, which these are not. */
const behindFigures: ZooColumn = {
  name: "geo_after",
  type: "varchar(9) character set latin1",
  ask: "chars",
  values: ["_utf8mb4'é'", "'x'"],
};

const vectors: readonly ZooColumn[] = [
  {
    name: "vec",
    type: "vector(3)",
    ask: "hex",
    values: ["TO_VECTOR('[1, -0.5, 3.4028235e38]')", "NULL", "TO_VECTOR('[0.1, 1e-30, 16777216]')"],
  },
  { name: "vec1", type: "vector(2048)", ask: "hex", values: ["TO_VECTOR('[7]')", "NULL"] },
  { ...behindFigures, name: "vec_after" },
];

const jsonDocs: readonly string[] = [
  `'{"a": 1, "b": [1, 2.5, "x", null, true, false], "ключ": "значение 😀"}'`,
  `'[]'`,
  `'{}'`,
  `'null'`,
  `'"quote \\\\" back \\\\\\\\ tab \\\\t nul \\\\u0000"'`,
  `'[-1, 32767, -32768, 32768, 65535, 65536, 2147483647, 2147483648, -2147483649]'`,
  `'[9223372036854775807, -9223372036854775808, 18446744073709551615]'`,
  `'[1.0, -0.0, 1e300, 0.1, 3.14159265358979, 1e21]'`,
  "NULL",
  `'{"": {"": {"": [[[[]]]]}}}'`,
];

const mysqlJson: readonly string[] = [
  ...jsonDocs,
  `JSON_ARRAY(CAST('123.4500' AS DECIMAL(20,4)), CAST('-99999999999999999999.9' AS DECIMAL(30,1)))`,
  `JSON_ARRAY(DATE'2026-11-23', TIME'12:34:56.5', TIME'-838:59:59', TIMESTAMP'2026-11-23 01:02:03.000004')`,
  `JSON_ARRAY(x'CAFE', b'101')`,
  `JSON_OBJECT('k', REPEAT('v', 70000), 'n', 4294967295, 'm', -7)`,
  `CONCAT('[', REPEAT('1,', 40000), '2]')`,
];

export type ZooOptions = {
  /** Without the values of more than a thousand characters. */
  readonly small?: boolean;
};

/** One table with a column of nearly every type, its values at their borders. */
export function typeZoo(flavor: Flavor, options: ZooOptions = {}): readonly ZooColumn[] {
  const json: ZooColumn = {
    name: "js",
    type: "json",
    ask: flavor === "mysql" ? "json" : "chars",
    values: flavor === "mysql" ? mysqlJson : jsonDocs,
  };
  const zoo = [...ints, ...reals, ...decimals, ...temporals, ...texts, ...binaries, ...choices];
  const own = flavor === "mysql" ? vectors : [];
  const all = [...zoo, ...figures, behindFigures, ...own, json];
  if (!options.small) return all;
  const isSmall = (value: string) => !/REPEAT\(.*, \d{4,}\)/.test(value);
  return all.map((column) => ({ ...column, values: column.values.filter(isSmall) }));
}

/** The statements that make the table `zoo` in the database `db` and fill it. */
export function zooStatements(flavor: Flavor, db: string, options: ZooOptions = {}): string[] {
  const columns = typeZoo(flavor, options);
  const count = Math.max(...columns.map((column) => column.values.length));
  const definitions = columns.map((column) => `\`${column.name}\` ${column.type}`).join(",\n");
  const rows = Array.from({ length: count }, (_, i) => {
    const values = columns.map(({ values }) => values[i % values.length]);
    return `INSERT INTO zoo VALUES (${[i, ...values].join(", ")})`;
  });
  return [
    `CREATE DATABASE IF NOT EXISTS ${db}`,
    `USE ${db}`,
    "SET NAMES utf8mb4",
    "SET time_zone = '+00:00'",
    "SET sql_mode = ''",
    `CREATE TABLE zoo (id int primary key,\n${definitions}) ROW_FORMAT=DYNAMIC CHARSET=utf8mb4`,
    ...rows,
  ];
}

/** What to select so that the server's answer can be compared with a decoded value. */
export function askSql(column: ZooColumn): string {
  const name = `\`${column.name}\``;
  switch (column.ask) {
    case "text":
      return `CAST(${name} AS CHAR)`;
    case "number":
      return `CAST(${name} + 0e0 AS CHAR)`;
    case "hex":
      return `HEX(${name})`;
    case "chars":
      return `HEX(CONVERT(${name} USING utf8mb4))`;
    case "bits":
      return `CAST(${name} + 0 AS CHAR)`;
    case "json":
      return `CAST(${name} AS CHAR)`;
  }
}

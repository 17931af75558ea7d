import type { DescribedTable } from "../clients/mysql/schema-query.ts";

export type NamedTable = DescribedTable & { readonly db: string; readonly table: string };

/** What a column of that SQL type is in a script; `src/flow/packet.ts` has the same in words. */
const types: readonly (readonly [pattern: RegExp, type: string])[] = [
  [/^bigint/i, "bigint"],
  [/^bit/i, "bigint"],
  [/^(tinyint|smallint|mediumint|int|integer|year|float|double|real)/i, "number"],
  [/^(binary|varbinary|tinyblob|blob|mediumblob|longblob|vector)/i, "Uint8Array"],
  [
    /^(geometry|point|linestring|polygon|multipoint|multilinestring|multipolygon|geom)/i,
    "Uint8Array",
  ],
  [/^json/i, "JsonText"],
];

function typeOf(sqlType: string): string {
  return types.find(([pattern]) => pattern.test(sqlType))?.[1] ?? "string";
}

const head = `// Made by \`dbc types\` from the tables of a configuration. Make it anew when they change.

/** JSON kept as text, so that no digit of it is lost. */
export type JsonText = { readonly text: string };

/** A change of a row. Columns that the binlog does not carry are not there. */
export type Row<Name extends string, Columns> = {
  readonly kind: "row";
  /** Where it goes on under. */
  ident: string;
  readonly op: "I" | "U" | "D";
  readonly table: Name;
  before: Columns | undefined;
  after: Columns | undefined;
  /** Unix seconds. */
  readonly ts: number;
  readonly gtid: string | undefined;
};

/** The second argument of a function of a ScriptFilter. */
export type Context = {
  readonly name: string;
  readonly args: Readonly<Record<string, string | number | boolean>>;
  readonly stateDir: string;
  readonly signal: AbortSignal;
  readonly log: {
    info(message: string, fields?: Readonly<Record<string, unknown>>): void;
    warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  };
};
`;

/** What the file means by itself: a table called so must not stand before it. */
const ownNames = [
  "Row",
  "Change",
  "Context",
  "JsonText",
  "Uint8Array",
  "AbortSignal",
  "Record",
  "Readonly",
];

/** A declaration file with a type for each table, and \`Change\` for any change of one of them. */
export function tableTypes(tables: readonly NamedTable[]): string {
  const taken = new Set(ownNames);
  const parts: string[] = [];
  const rows: string[] = [];
  for (const { db, table, model } of tables) {
    const name = typeName(`${db}_${table}`, taken);
    const lines = model.columns.map((column) => {
      const type = typeOf(column.type) + (column.nullable ? " | null" : "");
      return `  ${propertyName(column.name)}: ${type};`;
    });
    parts.push(`export type ${name} = {\n${lines.join("\n")}\n};\n`);
    rows.push(`  | Row<${JSON.stringify(`${db}.${table}`)}, ${name}>`);
  }
  const change = rows.length === 0 ? "export type Change = never;\n" : "";
  const union = rows.length === 0 ? "" : `export type Change =\n${rows.join("\n")};\n`;
  return [head, ...parts, change + union].join("\n");
}

function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** \`shop_order_items\` becomes ShopOrderItems; what is taken gets a number. */
function typeName(text: string, taken: Set<string>): string {
  const words = text.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const name = words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join("");
  const safe = /^[A-Z]/.test(name) ? name : `Table${name}`;
  let free = safe;
  for (let n = 2; taken.has(free); n++) free = `${safe}${n}`;
  taken.add(free);
  return free;
}

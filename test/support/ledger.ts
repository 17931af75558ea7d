/**
 * The ledger: a workload that knows in MySQL itself what it has committed. Each transaction has a
 * number and writes, beside its rows of `item`, what it did into `log`. Whatever the bus makes of
 * it is held against `log`.
 */

/** One row of `ledger.item`, every value as the text that it has in both worlds. */
export type Item = {
  readonly id: string;
  /** Grows by one with every insert and update of the key, also over its deletes. */
  readonly n: string;
  readonly writer: string;
  readonly seq: string;
  readonly amount: string;
  readonly moment: string;
  readonly big: string;
  /** Base64. */
  readonly bin: string;
  readonly note: string;
  /** JSON text. */
  readonly doc: string;
};

/**
 * What identifies and seals one committed change, and one that was seen in Kafka. An update that
 * moves a row to another key is two of them: the delete of the old key, then the insert of the new.
 */
export type Change = {
  /** `item:7`, or `txn:1:25` for the row that numbers a transaction. */
  readonly key: string;
  readonly op: "I" | "U" | "D";
  readonly n: number;
  readonly sum: string;
};

export const itemColumns = [
  ...["id", "n", "writer", "seq", "amount", "moment", "big", "bin", "note", "doc"],
] as const satisfies readonly (keyof Item)[];

/** Statements that make the schema in a database; `writer` and `seq` number a transaction. */
export const ledgerSchema = (db: string): readonly string[] => [
  `CREATE DATABASE ${db} CHARACTER SET utf8mb4`,
  `CREATE TABLE ${db}.item (
    id INT UNSIGNED NOT NULL PRIMARY KEY,
    n INT UNSIGNED NOT NULL,
    writer SMALLINT NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    amount DECIMAL(20,6) NOT NULL,
    moment DATETIME(6) NOT NULL,
    big BIGINT UNSIGNED NOT NULL,
    bin VARBINARY(64) NOT NULL,
    note VARCHAR(255) NOT NULL,
    doc JSON NOT NULL,
    sum CHAR(16) NOT NULL
  )`,
  `CREATE TABLE ${db}.txn (
    id VARCHAR(32) NOT NULL PRIMARY KEY,
    changes INT UNSIGNED NOT NULL
  )`,
  `CREATE TABLE ${db}.log (
    writer SMALLINT NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    ord INT UNSIGNED NOT NULL,
    op CHAR(1) NOT NULL,
    id INT UNSIGNED NOT NULL,
    n INT UNSIGNED NOT NULL,
    sum CHAR(16) NOT NULL,
    PRIMARY KEY (writer, seq, ord),
    KEY (id, n)
  )`,
];

/** The seal over every value of a row: one wrong digit in any column and it does not fit. */
export function sumOf(item: Item): string {
  const texts = itemColumns.map((column) =>
    column === "doc" ? canonicalText(parseExact(item.doc)) : item[column],
  );
  return hex(texts.join("\u0001"));
}

export function txnChange(writer: number | string, seq: number | string, changes: number): Change {
  return { key: `txn:${writer}:${seq}`, op: "I", n: 1, sum: hex(`${writer} ${seq} ${changes}`) };
}

function hex(text: string): string {
  return Bun.hash.wyhash(text).toString(16).padStart(16, "0");
}

/** `JSON.parse` with every number as the digits that stand there. */
export function parseExact(text: string): unknown {
  type Reviver = (
    this: unknown,
    key: string,
    value: unknown,
    context: { source: string },
  ) => unknown;
  const exact: Reviver = (_key, value, context) =>
    typeof value === "number" ? new Digits(context.source) : value;
  return JSON.parse(text, exact as (this: unknown, key: string, value: unknown) => unknown);
}

/** A number of a JSON text, as it was written. */
export class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What `parseExact` gave, as text again: no spaces, and the keys of objects in order. */
export function canonicalText(value: unknown): string {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalText(field)}`);
  return `{${fields.join(",")}}`;
}

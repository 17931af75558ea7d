import type { Column, RowChange, Table, Value } from "#plugin";

const column = (name: string, kind: Column["kind"], type: string, nullable = false): Column => ({
  name,
  kind,
  type,
  nullable,
});

const table: Table = {
  db: "mock",
  name: "orders",
  columns: [
    column("id", "bigint", "bigint unsigned"),
    column("customer", "int", "int unsigned"),
    column("item", "text", "varchar(40)"),
    column("amount", "decimal", "decimal(12,2)"),
    column("created", "datetime", "datetime(3)"),
    column("note", "text", "text", true),
  ],
  primaryKey: [0],
};

const items = ["anvil", "bellows", "chisel", "drill", "engraver", "file", "gouge", "hammer"];

/** Rows come in transactions of ten: seven inserts, updates of two of them, and a delete of one. */
const ROWS = 10;
const INSERTS = 7;

/** The change of a made-up table with number `n`, which depends on the seed and `n` alone. */
export function mockRows(seed: number): (n: number) => RowChange {
  return (n) => {
    const ordinal = n % ROWS;
    const first = n - ordinal;
    const op = ordinal < INSERTS ? "I" : ordinal < ROWS - 1 ? "U" : "D";
    const id = BigInt(first + 1 + (op === "I" ? ordinal : ordinal - INSERTS));
    const image = (version: number) => values(seed, id, version);
    return {
      kind: "row",
      op,
      table,
      before: op === "I" ? undefined : image(0),
      after: op === "D" ? undefined : image(op === "U" ? 1 : 0),
      txn: { gtid: undefined, serverId: 1 },
      ordinal,
      log: "mock.000001",
      pos: n,
      ts: 1_700_000_000 + Math.floor(n / 1000),
    };
  };
}

function values(seed: number, id: bigint, version: number): Value[] {
  const number = Number(id & 0xffff_ffffn);
  const mixed = mix(number ^ mix(seed + version));
  const cents = mixed % 1_000_000;
  const amount = `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
  const created = new Date(1_700_000_000_000 + number * 17).toISOString();
  const note = mixed % 3 === 0 ? null : `order ${id}, version ${version}`;
  const when = created.slice(0, 23).replace("T", " ");
  return [id, mixed % 10_000, items[mixed % items.length], amount, when, note];
}

/** The finalizer of MurmurHash3: every bit of the number changes about half of the result's. */
function mix(number: number): number {
  let hash = number >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

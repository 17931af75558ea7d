import mysql from "mysql2/promise";
import { type Change, type Item, itemColumns, ledgerSchema, sumOf, txnChange } from "./ledger.ts";
import {
  applyPlan,
  changesOf,
  type LedgerModel,
  type Plan,
  type PlanOptions,
  planTransaction,
  type Step,
} from "./ledger-plan.ts";
import type { Random } from "./random.ts";

export type LedgerAddress = { readonly host: string; readonly port: number; readonly user: string };

/** The database of the ledger unless told. */
const usual = "ledger";

export type WriterOptions = PlanOptions & {
  readonly db?: string;
  readonly writer: number;
  readonly random: Random;
  /** The longest pause between two transactions, in milliseconds. */
  readonly pauseMsMax: number;
};

export type LedgerWriter = {
  /** Transactions and changes committed since the start. */
  readonly transactions: number;
  readonly changes: number;
  /** Resolves when it was stopped; rejects with what made it fail. */
  readonly ended: Promise<void>;
  /** Ends after the transaction under way; rejects with what made it fail. */
  stop(): Promise<void>;
};

function connect(address: LedgerAddress): Promise<mysql.Connection> {
  const { host, port, user } = address;
  return mysql.createConnection({ host, port, user, password: "", multipleStatements: true });
}

export async function createLedger(address: LedgerAddress, name = usual): Promise<void> {
  const db = await connect(address);
  try {
    for (const statement of ledgerSchema(name)) await db.query(statement);
  } finally {
    await db.end();
  }
}

/**
 * Writes transactions until it is stopped. It begins with what MySQL holds, so it may be started
 * again after anything, also after a COMMIT of which nobody knows whether it went through.
 */
export async function startLedgerWriter(
  address: LedgerAddress,
  options: WriterOptions,
): Promise<LedgerWriter> {
  const db = await connect(address);
  const name = options.db ?? usual;
  const model = await loadModel(db, name, options.writer);
  let transactions = 0;
  let changes = 0;
  let stopping = false;
  const work = async () => {
    while (!stopping) {
      const plan = planTransaction(model, options.random, options);
      const logged = changesOf(plan).length;
      await db.query(sqlOf(db, name, model.writer, plan));
      if (plan.commit) {
        applyPlan(model, plan);
        transactions++;
        changes += logged;
      }
      await Bun.sleep(options.random.int(0, options.pauseMsMax));
    }
  };
  const ended = work().finally(() => db.end().catch(() => undefined));
  // Whoever stops it learns of the failure; until then it must not end the process.
  ended.catch(() => undefined);
  return {
    ended,
    get transactions() {
      return transactions;
    },
    get changes() {
      return changes;
    },
    stop: async () => {
      stopping = true;
      await ended;
    },
  };
}

/** Every change that MySQL has committed, in the order of each key. */
export async function committedChanges(address: LedgerAddress, name = usual): Promise<Change[]> {
  const db = await connect(address);
  try {
    const [log] = await db.query<mysql.RowDataPacket[]>(
      `SELECT op, id, n, sum FROM ${name}.log ORDER BY writer, seq, ord`,
    );
    const [txns] = await db.query<mysql.RowDataPacket[]>(`SELECT id, changes FROM ${name}.txn`);
    const changes = log.map(({ op, id, n, sum }): Change => ({ key: `item:${id}`, op, n, sum }));
    for (const { id, changes: count } of txns) {
      const [writer = "", seq = ""] = String(id).split(":");
      changes.push(txnChange(writer, seq, count));
    }
    return changes;
  } finally {
    await db.end();
  }
}

/** The transactions that MySQL has committed, and how many changes each has. */
export async function committedTxns(address: LedgerAddress, name = usual) {
  const db = await connect(address);
  try {
    const [txns] = await db.query<mysql.RowDataPacket[]>(`SELECT id, changes FROM ${name}.txn`);
    return new Map(txns.map(({ id, changes }) => [String(id), String(changes)]));
  } finally {
    await db.end();
  }
}

async function loadModel(db: mysql.Connection, name: string, writer: number): Promise<LedgerModel> {
  const where = `WHERE writer = ${writer}`;
  const texts = itemColumns.map((column) =>
    column === "bin" ? "HEX(bin) AS bin" : `CAST(${column} AS CHAR) AS ${column}`,
  );
  const [items] = await db.query<mysql.RowDataPacket[]>(
    `SELECT ${texts.join(", ")} FROM ${name}.item ${where}`,
  );
  const [last] = await db.query<mysql.RowDataPacket[]>(
    `SELECT id, MAX(n) AS n FROM ${name}.log ${where} GROUP BY id`,
  );
  const [seq] = await db.query<mysql.RowDataPacket[]>(
    `SELECT COALESCE(MAX(seq), 0) AS seq FROM ${name}.log ${where}`,
  );
  const rows = items.map((row): Item => {
    const item = row as unknown as Item;
    return { ...item, bin: Buffer.from(item.bin, "hex").toString("base64") };
  });
  return {
    writer,
    seq: Number(seq[0]?.seq),
    lastN: new Map(last.map(({ id, n }) => [String(id), Number(n)])),
    rows: new Map(rows.map((item) => [item.id, item])),
  };
}

/** The whole transaction as one query: one round trip, and no half of it can be left open. */
function sqlOf(db: mysql.Connection, name: string, writer: number, plan: Plan): string {
  const changes = changesOf(plan);
  const log = changes.map(({ op, item, sum }, ord) => {
    return `(${writer},${plan.seq},${ord},'${op}',${item.id},${item.n},'${sum}')`;
  });
  return [
    "START TRANSACTION",
    ...runsOf(plan.steps).map((run) => runSql(db, `${name}.item`, run)),
    `INSERT INTO ${name}.log VALUES ${log.join(",")}`,
    `INSERT INTO ${name}.txn VALUES ('${writer}:${plan.seq}',${changes.length})`,
    plan.commit ? "COMMIT" : "ROLLBACK",
  ].join(";");
}

/** Neighbouring steps of one kind over different keys, which one statement can do. */
function runsOf(steps: readonly Step[]): Step[][] {
  const runs: Step[][] = [];
  let ids = new Set<string>();
  for (const step of steps) {
    const run = runs.at(-1);
    const joins = step.op !== "M" && run?.[0]?.op === step.op && !ids.has(step.item.id);
    if (run !== undefined && joins) {
      run.push(step);
      ids.add(step.item.id);
    } else {
      runs.push([step]);
      ids = new Set([step.item.id]);
    }
  }
  return runs;
}

function runSql(db: mysql.Connection, table: string, run: readonly Step[]): string {
  const [first] = run;
  if (first?.op === "D") {
    return `DELETE FROM ${table} WHERE id IN (${run.map(({ item }) => item.id).join(",")})`;
  }
  if (first?.from !== undefined) {
    const values = [...valuesOf(db, first.item), `'${first.sum}'`];
    const sets = [...itemColumns, "sum"].map((column, at) => `${column}=${values[at]}`);
    return `UPDATE ${table} SET ${sets.join(",")} WHERE id=${first.from.id}`;
  }
  const rows = run.map(({ item, sum }) => `(${valuesOf(db, item).join(",")},'${sum}')`);
  const insert = `INSERT INTO ${table} VALUES ${rows.join(",")}`;
  if (first?.op === "I") return insert;
  const sets = [...itemColumns, "sum"].map((column) => `${column}=VALUES(${column})`);
  return `${insert} ON DUPLICATE KEY UPDATE ${sets.join(",")}`;
}

function valuesOf(db: mysql.Connection, item: Item): string[] {
  return itemColumns.map((column) => {
    if (column === "bin") return `X'${Buffer.from(item.bin, "base64").toString("hex")}'`;
    return db.escape(item[column]);
  });
}

/** The seal of a row that was read back, for tests of the writer itself. */
export async function tableSums(
  address: LedgerAddress,
  name = usual,
): Promise<Map<string, [string, string]>> {
  const db = await connect(address);
  try {
    const sums = new Map<string, [string, string]>();
    const [rows] = await db.query<mysql.RowDataPacket[]>(
      `SELECT id, writer, sum FROM ${name}.item`,
    );
    const writers = new Set(rows.map((row) => Number(row.writer)));
    const models = await Promise.all([...writers].map((writer) => loadModel(db, name, writer)));
    const items = new Map(models.flatMap((model) => [...model.rows]));
    for (const { id, sum } of rows) {
      const item = items.get(String(id));
      sums.set(String(id), [sum, item === undefined ? "" : sumOf(item)]);
    }
    return sums;
  } finally {
    await db.end();
  }
}

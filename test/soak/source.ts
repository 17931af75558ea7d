import mysql, { type Connection } from "mysql2/promise";

/** The tables that the soak writes, one a phase: `soak.NAME`, ids from 1 without a hole. */
export type Source = {
  create(table: string, columns?: string): Promise<void>;
  /** Adds rows in one statement, which is one transaction; `pad` is their text in bytes. */
  insert(table: string, rows: number, pad?: number): Promise<void>;
  /** Adds rows in transactions of so many. */
  fill(table: string, rows: number, perTransaction: number): Promise<void>;
  run(sql: string): Promise<void>;
  count(table: string): number;
  drop(table: string): Promise<void>;
  close(): Promise<void>;
};

/** 8 columns, as tables of orders have them; `note` is what makes a row large. */
const orders = `id INT UNSIGNED NOT NULL PRIMARY KEY, customer VARCHAR(64) NOT NULL,
  city VARCHAR(64) NOT NULL, amount DECIMAL(12,2) NOT NULL, created DATETIME(3) NOT NULL,
  note LONGTEXT NOT NULL, flags BIT(8) NOT NULL, extra JSON NOT NULL`;

const values = (pad: number) => `CONCAT('customer-', id MOD 9973),
  ELT(1 + id MOD 4, 'Berlin', 'São Paulo', '東京', 'Oslo'), (id * 7919 MOD 100000000) / 100,
  TIMESTAMPADD(SECOND, id, '2026-01-01 00:00:00.000'),
  LEFT(REPEAT(SHA2(id, 256), ${Math.ceil(pad / 64)}), ${pad}), id MOD 256,
  JSON_OBJECT('ref', id * 31, 'paid', id MOD 2 = 0)`;

const recursionMax = 4_000_000_000;

export async function connectSource(port: number): Promise<Source> {
  const db: Connection = await mysql.createConnection({
    ...{ host: "127.0.0.1", port, user: "root", password: "" },
  });
  await db.query("CREATE DATABASE soak CHARACTER SET utf8mb4");
  await db.query(`SET SESSION cte_max_recursion_depth = ${recursionMax}`);
  const counts = new Map<string, number>();
  const count = (table: string) => counts.get(table) ?? 0;

  async function insert(table: string, rows: number, pad = 96): Promise<void> {
    const from = count(table) + 1;
    const to = count(table) + rows;
    await db.query(`INSERT INTO soak.${table}
      WITH RECURSIVE numbers(id) AS
        (SELECT ${from} UNION ALL SELECT id + 1 FROM numbers WHERE id < ${to})
      SELECT id, ${values(pad)} FROM numbers`);
    counts.set(table, to);
  }

  return {
    create: async (table, columns = orders) => {
      await db.query(`CREATE TABLE soak.${table} (${columns})`);
    },
    insert,
    async fill(table, rows, perTransaction) {
      const to = count(table) + rows;
      while (count(table) < to) await insert(table, Math.min(perTransaction, to - count(table)));
    },
    run: async (sql) => {
      await db.query(sql);
    },
    count,
    async drop(table) {
      await db.query(`DROP TABLE soak.${table}`);
      await db.query("PURGE BINARY LOGS BEFORE NOW() - INTERVAL 1 SECOND");
    },
    close: () => db.end(),
  };
}

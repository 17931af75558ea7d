import mysql from "mysql2/promise";
import { say } from "./bench.ts";

/** The table of the mysql-kafka bench: 8 columns, as CDC tables have them. */
const createOrders = `CREATE TABLE bench.orders (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  customer VARCHAR(64) NOT NULL,
  city VARCHAR(64) NOT NULL,
  amount DECIMAL(12,2) NOT NULL,
  created DATETIME(3) NOT NULL,
  note TEXT NOT NULL,
  flags BIT(8) NOT NULL,
  extra JSON NOT NULL
)`;

/** Every value is a function of the row's number, so that each run writes the same bytes. */
const columnsOf = (id: string) => `${id},
  CONCAT('customer-', ${id} MOD 9973),
  ELT(1 + ${id} MOD 7, 'Berlin', 'Lisboa', 'São Paulo', '東京', 'Kraków', 'Oslo', 'Austin'),
  (${id} * 7919 MOD 100000000) / 100,
  TIMESTAMPADD(MICROSECOND, ${id} * 137000, '2026-01-01 00:00:00.000'),
  LEFT(REPEAT(SHA2(${id}, 256), 2), 96),
  ${id} MOD 256,
  JSON_OBJECT('ref', ${id} * 31, 'tags', JSON_ARRAY('new', ${id} MOD 5), 'paid', ${id} MOD 2 = 0)`;

const statementRows = 10_000;
const singlesPerQuery = 1_000;

export type Workload = {
  readonly rows: number;
  readonly large: number;
  readonly singles: number;
};

/** 460,000 rows are 400,000 in statements of 10,000, then 60,000 in transactions of one row. */
export function workloadOf(rows: number): Workload {
  const singles = Math.round((rows * 60) / 460);
  return { rows, large: rows - singles, singles };
}

/** Creates `bench.orders` and fills it with the rows 1 to `rows`; resolves to the seconds taken. */
export async function fillOrders(port: number, workload: Workload): Promise<number> {
  const db = await mysql.createConnection({
    ...{ host: "127.0.0.1", port, user: "root", password: "" },
    multipleStatements: true,
  });
  try {
    const started = performance.now();
    await db.query("CREATE DATABASE bench CHARACTER SET utf8mb4");
    await db.query("USE bench");
    await db.query(createOrders);
    await db.query(`SET SESSION cte_max_recursion_depth = ${statementRows + 1}`);
    for (let from = 1; from <= workload.large; from += statementRows) {
      const to = Math.min(workload.large, from + statementRows - 1);
      await db.query(`INSERT INTO bench.orders
        WITH RECURSIVE numbers(id) AS
          (SELECT ${from} UNION ALL SELECT id + 1 FROM numbers WHERE id < ${to})
        SELECT ${columnsOf("id")} FROM numbers`);
    }
    for (let from = workload.large + 1; from <= workload.rows; from += singlesPerQuery) {
      const to = Math.min(workload.rows, from + singlesPerQuery - 1);
      const statements: string[] = [];
      for (let id = from; id <= to; id++) {
        statements.push(`INSERT INTO bench.orders VALUES (${columnsOf(String(id))});`);
      }
      await db.query(statements.join("\n"));
    }
    const seconds = (performance.now() - started) / 1000;
    say(`${workload.rows} rows written to MySQL in ${seconds.toFixed(1)} s`);
    return seconds;
  } finally {
    await db.end();
  }
}

import { join } from "node:path";
import type { MysqlAddress } from "../../services/index.ts";
import { freshDatabase } from "../mysql-client.ts";

/** Databases of a real server, each read by an input of its own, and somebody who writes to all. */
export type MysqlShares = {
  readonly inputs: readonly (Readonly<Record<string, unknown>> & { readonly name: string })[];
  readonly outputs: readonly Readonly<Record<string, unknown>>[];
  /** The table that each of them reads. */
  readonly tables: readonly string[];
  /** How many rows have been committed to each of them. */
  readonly written: number;
  /** No row comes after it. */
  stop(): Promise<void>;
};

/**
 * Rows have the ids 1, 2, 3, ...; the inputs `db0`, `db1`, ... write them as those of mocks are.
 * There are `rate` transactions a second, of so many rows of each table.
 */
export async function mysqlShares(
  at: MysqlAddress,
  dir: string,
  count: number,
  rate: number,
  rows = 1,
): Promise<MysqlShares> {
  const made = await Promise.all(Array.from({ length: count }, () => freshDatabase(at, "share")));
  const [{ client } = await freshDatabase(at, "share")] = made;
  const tables = made.map(({ db }) => `${db}.a`);
  for (const table of tables) await client.query(`CREATE TABLE ${table} (id INT PRIMARY KEY)`);
  const [log] = await client
    .query("SHOW BINARY LOG STATUS")
    .catch(() => client.query("SHOW MASTER STATUS"));
  const start = { file: String(log?.File), pos: Number(log?.Position) };
  let written = 0;
  let stopped = false;

  async function write(): Promise<void> {
    while (!stopped) {
      const values = Array.from({ length: rows }, (_, n) => `(${written + 1 + n})`).join();
      await client.query("BEGIN");
      for (const table of tables) await client.query(`INSERT INTO ${table} VALUES ${values}`);
      await client.query("COMMIT");
      written += rows;
      await Bun.sleep(1_000 / rate);
    }
    for (const { client: own } of made) own.close();
  }
  const writing = write();
  return {
    tables,
    inputs: made.map(({ db }, n) => {
      const server = { host: at.host, port: at.port, user: "root", password: "" };
      return { name: `db${n}`, plugin: "MysqlbinlogInput", ...server, databases: [db], start };
    }),
    outputs: made.map((_, n) => {
      const file = join(dir, `db${n}.\${DBUS_NODE}.ndjson`);
      return { name: `to-db${n}`, plugin: "StreamOutput", match: `db${n}`, file };
    }),
    get written() {
      return written;
    },
    async stop() {
      stopped = true;
      await writing;
    },
  };
}

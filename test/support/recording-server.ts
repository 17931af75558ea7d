import { afterAll } from "bun:test";
import { join } from "node:path";
import { type Connection, createConnection } from "mysql2/promise";
import type { SchemaLookup, TableSchema } from "#src/clients/mysql/binlog/schema-lookup.ts";
import { type MysqlFlavor, startMysql } from "../services/index.ts";

/** A server of one's own whose binlog files can be read on disk. */
export type RecordingServer = {
  readonly flavor: MysqlFlavor;
  readonly db: Connection;
  readonly port: number;
  /** Runs statements and gives the path of the binlog file that holds just them. */
  record(statements: readonly string[]): Promise<string>;
  /** One answer, cell by cell as text. */
  ask(sql: string): Promise<(string | null)[][]>;
  /** The tables of a database as `information_schema` has them now. */
  schemas(database: string): Promise<SchemaLookup>;
};

export async function startRecording(
  flavor: MysqlFlavor,
  args: readonly string[] = [],
): Promise<RecordingServer> {
  const server = await startMysql({ flavor, args });
  afterAll(() => server.stop());
  const { host, port, user } = server;
  const db = await createConnection({ host, port, user, charset: "utf8mb4" });
  afterAll(() => db.end());

  async function ask(sql: string): Promise<(string | null)[][]> {
    const [rows] = await db.query({ sql, rowsAsArray: true });
    return rows as unknown as (string | null)[][];
  }

  return {
    flavor,
    db,
    port,
    ask,
    async record(statements) {
      await db.query("FLUSH BINARY LOGS");
      for (const sql of statements) await db.query(sql);
      const files = await ask("SHOW BINARY LOGS");
      await db.query("FLUSH BINARY LOGS");
      return join(server.dir, files.at(-1)![0]!);
    },
    schemas: (database) => readSchemas(ask, database),
  };
}

async function readSchemas(
  ask: (sql: string) => Promise<(string | null)[][]>,
  database: string,
): Promise<SchemaLookup> {
  const rows = await ask(
    `SELECT table_name, column_name, column_type, character_set_name, is_nullable, column_key
      FROM information_schema.columns WHERE table_schema = '${database}' ORDER BY 1, ordinal_position`,
  );
  const tables = new Map<string, TableSchema & { columns: object[]; primaryKey: number[] }>();
  for (const [table, name, type, charset, nullable, key] of rows) {
    const known = tables.get(table!) ?? { columns: [], primaryKey: [] };
    if (key === "PRI") known.primaryKey.push(known.columns.length);
    known.columns.push({
      name: name!,
      type: type!,
      charset: charset!,
      nullable: nullable === "YES",
    });
    tables.set(table!, known);
  }
  return (db, table) => (db === database ? tables.get(table) : undefined);
}

import { chmod, copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Connection, createConnection } from "mysql2/promise";
import { type MysqlFlavor, type MysqlService, startMysql } from "../services/index.ts";
import { shopStatements } from "./shop.ts";
import { askSql, typeZoo, zooStatements } from "./type-zoo.ts";

/*
 * Records the binlogs that the repository carries, from real servers:
 *
 *     bun test/support/record-binlog.ts
 *
 * etc/quickstart/shop.binlog is what the quick start replays; test/fixtures/binlog/ has every type
 * of each flavor, and beside it what the server itself answered.
 */
const root = join(import.meta.dir, "../..");
const fixtures = join(root, "test/fixtures/binlog");

/** Runs statements between two rotations and copies the file that holds just them. */
async function record(
  server: MysqlService,
  db: Connection,
  statements: readonly string[],
  to: string,
): Promise<void> {
  await db.query("FLUSH BINARY LOGS");
  for (const sql of statements) await db.query(sql);
  const [files] = await db.query("SHOW BINARY LOGS");
  const newest = (files as { Log_name: string }[]).at(-1)!.Log_name;
  await db.query("FLUSH BINARY LOGS");
  await copyFile(join(server.dir, newest), to);
  await chmod(to, 0o644);
}

async function withServer(
  flavor: MysqlFlavor,
  use: (server: MysqlService, db: Connection) => Promise<void>,
): Promise<void> {
  const server = await startMysql({
    flavor,
    args: ["--binlog-row-metadata=FULL", "--server-id=1"],
  });
  try {
    const { host, port, user } = server;
    const db = await createConnection({ host, port, user, charset: "utf8mb4" });
    await use(server, db);
    await db.end();
  } finally {
    await server.stop();
  }
}

async function recordZoo(server: MysqlService, db: Connection, flavor: MysqlFlavor): Promise<void> {
  const statements = zooStatements(flavor, "zoo", { small: true });
  const file = join(fixtures, `${flavor}-types.binlog`);
  const changes = ["UPDATE zoo SET id = id + 1000", "DELETE FROM zoo WHERE id > 1001"];
  await record(server, db, statements, file);
  const list = typeZoo(flavor, { small: true }).map(askSql).join(", ");
  const [answers] = await db.query({
    sql: `SELECT ${list} FROM zoo ORDER BY id`,
    rowsAsArray: true,
  });
  await record(server, db, changes, join(fixtures, `${flavor}-changes.binlog`));
  const rows = (answers as unknown[]).map((row) => JSON.stringify(row));
  await Bun.write(join(fixtures, `${flavor}-types.json`), `[\n${rows.join(",\n")}\n]\n`);
}

if (import.meta.main) {
  await mkdir(fixtures, { recursive: true });
  await mkdir(join(root, "etc/quickstart"), { recursive: true });
  await withServer("mysql", async (server, db) => {
    await record(server, db, shopStatements(), join(root, "etc/quickstart/shop.binlog"));
    await recordZoo(server, db, "mysql");
  });
  await withServer("mariadb", (server, db) => recordZoo(server, db, "mariadb"));
}

import {
  connectMysql,
  type MysqlConnection,
  type MysqlTarget,
} from "#src/clients/mysql/connection.ts";
import { systemClock } from "#src/clock.ts";
import type { MysqlAddress } from "../services/index.ts";
import { waitFor } from "./wait-for.ts";

/** Root on a test server, in plain text unless told. */
export function targetAt(
  at: Pick<MysqlAddress, "host" | "port">,
  more: Partial<MysqlTarget> = {},
): MysqlTarget {
  return {
    ...{ host: at.host, port: at.port, user: "root", password: "" },
    ...{ tls: "disable", tlsCa: undefined, connectTimeoutMs: 5_000, queryTimeoutMs: 30_000 },
    ...more,
  };
}

export function clientAt(at: Pick<MysqlAddress, "host" | "port">): Promise<MysqlConnection> {
  return connectMysql(targetAt(at), systemClock);
}

let databases = 0;

/** A database of the test's own, empty, and a connection. */
export async function freshDatabase(at: Pick<MysqlAddress, "host" | "port">, prefix = "t") {
  const client = await clientAt(at);
  const db = `${prefix}_${process.pid}_${++databases}`;
  await client.query(`DROP DATABASE IF EXISTS ${db}`);
  await client.query(`CREATE DATABASE ${db}`);
  return { client, db };
}

/** The threads of a server that stream its binlog. */
export const streams =
  "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog%'";

/** Ends them, as an operator would, and waits until they are gone. */
export async function killStreams(client: MysqlConnection): Promise<void> {
  for (const { id } of await client.query(streams)) {
    await client.query(`KILL ${id}`).catch(() => {});
  }
  await waitFor(async () => (await client.query(streams)).length === 0, { what: "no stream" });
}

/** A database with the table `a (id INT PRIMARY KEY)`. */
export async function tableOn(at: Pick<MysqlAddress, "host" | "port">) {
  const { client, db } = await freshDatabase(at, "f");
  await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY)`);
  return { client, db };
}

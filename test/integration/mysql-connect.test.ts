import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { connectMysql, type MysqlTarget } from "#src/clients/mysql/connection.ts";
import { systemClock } from "#src/clock.ts";
import { DbusError, errorTable } from "#src/errors.ts";
import { type MysqlService, startMysql, useStarted } from "../services/index.ts";
import { clientAt, freshDatabase, targetAt } from "../support/mysql-client.ts";
import { runInput } from "../support/mysql-input.ts";
import { waitFor } from "../support/wait-for.ts";

const tls = join(import.meta.dir, "../fixtures/tls");
const ca = join(tls, "ca.pem");
const otherCa = join(tls, "other-ca.pem");
const withTls = [
  `--ssl-ca=${ca}`,
  `--ssl-cert=${join(tls, "localhost-cert.pem")}`,
  `--ssl-key=${join(tls, "localhost-key.pem")}`,
];

/** Servers of this file's own: their accounts and settings are changed. */
const own = await useStarted("mysql and mariadb", async () => {
  const [mysql, mariadb, silent] = await Promise.all([
    startMysql({ flavor: "mysql", args: withTls }),
    startMysql({ flavor: "mariadb", args: withTls }),
    startMysql({ flavor: "mariadb", args: ["--skip-log-bin"] }),
  ]);
  return { mysql, mariadb, silent };
});

function onBoth(name: string, run: (at: MysqlService) => Promise<void>): void {
  own.test(`${name} (mysql)`, ({ mysql }) => run(mysql));
  own.test(`${name} (mariadb)`, ({ mariadb }) => run(mariadb));
}

async function cipherOf(target: MysqlTarget): Promise<string> {
  const client = await connectMysql(target, systemClock);
  const [row] = await client.query("SHOW STATUS LIKE 'Ssl_cipher'");
  client.close();
  return String(row?.Value);
}

async function codeOf(target: MysqlTarget): Promise<string> {
  const connected = await connectMysql(target, systemClock).catch((error) => error);
  if (connected instanceof DbusError) return connected.code;
  connected.close();
  return "connected";
}

describe("login", () => {
  own.test("caching_sha2_password works by RSA, by TLS, and from the cache", async ({ mysql }) => {
    const root = await clientAt(mysql);
    const account = { user: "sha", password: "pä$$ 'word" };
    await root.query("CREATE USER sha@'%' IDENTIFIED WITH caching_sha2_password BY 'pä$$ ''word'");
    // A new account is not in the server's cache, so that the password itself must be sent.
    expect(await cipherOf(targetAt(mysql, account))).toBe("");
    expect(await cipherOf(targetAt(mysql, account))).toBe("");
    await root.query("FLUSH PRIVILEGES");
    expect(await cipherOf(targetAt(mysql, { ...account, tls: "require" }))).toStartWith("TLS_");
    expect(await codeOf(targetAt(mysql, { ...account, password: "no" }))).toBe(
      "MYSQL_ACCESS_DENIED",
    );
    root.close();
  });

  own.test("mysql_native_password works", async ({ mariadb }) => {
    const root = await clientAt(mariadb);
    await root.query(
      "CREATE USER nat@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('pw')",
    );
    const account = { user: "nat", password: "pw" };
    expect(await cipherOf(targetAt(mariadb, account))).toBe("");
    expect(await cipherOf(targetAt(mariadb, { ...account, tls: "require" }))).toStartWith("TLS_");
    expect(await codeOf(targetAt(mariadb, { ...account, password: "" }))).toBe(
      "MYSQL_ACCESS_DENIED",
    );
    root.close();
  });

  onBoth("a wrong password stops the input, and no message holds it", async (at) => {
    const dsn = `mysql://root:canary-7f3a@127.0.0.1:${at.port}/shop`;
    const input = await runInput(at, { dsn });
    const error = await input.fails();
    expect(error.code).toBe("MYSQL_ACCESS_DENIED");
    expect(error.kind).toBe("fatal");
    expect(JSON.stringify([error.toJSON(), String(error.cause), input.warnings])).not.toContain(
      "canary",
    );
  });

  onBoth("a password that is changed while we read is waited for, slowly", async (at) => {
    const root = await clientAt(at);
    await root.query("CREATE USER rotated@'%' IDENTIFIED BY 'one'");
    await root.query("GRANT ALL ON *.* TO rotated@'%'");
    const input = await runInput(at, { dsn: `mysql://rotated:one@127.0.0.1:${at.port}` });
    await input.streaming();
    await root.query("ALTER USER rotated@'%' IDENTIFIED BY 'two'");
    const list = "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = 'rotated'";
    for (const { id } of await root.query(list)) await root.query(`KILL ${id}`).catch(() => {});
    await waitFor(() => input.states.some((state) => state?.includes("Access denied")), {
      what: "the refusal to be told",
    });
    expect(input.ended).toBeUndefined();
    await input.stop();
    root.close();
  });
});

describe("TLS", () => {
  onBoth("each mode believes what it should and nothing else", async (at) => {
    const on = (host: string, more: Partial<MysqlTarget>) =>
      codeOf({ ...targetAt(at), host, ...more });
    expect(await on("127.0.0.1", { tls: "require" })).toBe("connected");
    expect(await on("127.0.0.1", { tls: "verify-ca", tlsCa: ca })).toBe("connected");
    expect(await on("localhost", { tls: "verify-full", tlsCa: ca })).toBe("connected");
    const pem = await Bun.file(ca).text();
    expect(await on("localhost", { tls: "verify-full", tlsCa: pem })).toBe("connected");
    // Wrong host, wrong authority, unknown authority, no file.
    expect(await on("127.0.0.1", { tls: "verify-full", tlsCa: ca })).toBe("MYSQL_TLS");
    expect(await on("localhost", { tls: "verify-full", tlsCa: otherCa })).toBe("MYSQL_TLS");
    expect(await on("127.0.0.1", { tls: "verify-ca", tlsCa: otherCa })).toBe("MYSQL_TLS");
    expect(await on("127.0.0.1", { tls: "verify-ca" })).toBe("MYSQL_TLS");
    expect(await on("127.0.0.1", { tls: "verify-ca", tlsCa: "/no/such.pem" })).toBe("MYSQL_TLS");
  });

  own.test("a server without TLS is refused, not spoken to in plain text", async ({ silent }) => {
    for (const mode of ["require", "verify-ca", "verify-full"] as const) {
      expect(await codeOf(targetAt(silent, { tls: mode }))).toBe("MYSQL_TLS");
    }
  });

  onBoth("a server that wants TLS says so to who comes without", async (at) => {
    const root = await clientAt(at);
    await root.query("SET GLOBAL require_secure_transport = ON");
    try {
      // MariaDB 10.11 says no more than that access is denied.
      const code = at.flavor === "mysql" ? "MYSQL_TLS" : "MYSQL_ACCESS_DENIED";
      expect(await codeOf(targetAt(at))).toBe(code);
      expect(errorTable[code].remedy).toContain("tls");
    } finally {
      await root.query("SET GLOBAL require_secure_transport = OFF");
      root.close();
    }
  });

  onBoth("rows stream over TLS, large ones too", async (at) => {
    const { client, db } = await freshDatabase(at, "c");
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, t LONGTEXT)`);
    const input = await runInput(at, {
      dsn: `mysql://root@localhost:${at.port}/${db}?tls=verify-full&tlsCa=${ca}`,
    });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1, REPEAT('x', 17000000)), (2, 'y')`);
    const rows = await input.rowsReach(2);
    expect(rows.map((row) => String(row.after?.[1]).length)).toEqual([17_000_000, 1]);
    await input.stop();
    client.close();
  });
});

describe("preflight", () => {
  onBoth("a missing privilege is named by the statement that grants it", async (at) => {
    const root = await clientAt(at);
    await root.query("CREATE USER `o'neil`@'%' IDENTIFIED BY 'pw'");
    const config = { dsn: `mysql://o'neil:pw@127.0.0.1:${at.port}` };
    const without = await (await runInput(at, config)).fails();
    expect(without.code).toBe("MYSQL_GRANT");
    expect(without.remedy).toStartWith("GRANT REPLICATION SLAVE, ");
    const [, second = ""] = without.remedy.split(/, | ON /);
    await root.query(`GRANT ${second} ON *.* TO \`o'neil\`@'%'`);
    const half = await (await runInput(at, config)).fails();
    expect(half.code).toBe("MYSQL_GRANT");
    await root.query(half.remedy);
    const input = await runInput(at, config);
    await input.streaming();
    await input.stop();
    root.close();
  });

  onBoth("binlog_format=STATEMENT stops the input, before it starts and amid rows", async (at) => {
    const { client, db } = await freshDatabase(at, "c");
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY)`);
    await client.query("SET GLOBAL binlog_format = 'STATEMENT'");
    const error = await (await runInput(at)).fails().finally(async () => {
      await client.query("SET GLOBAL binlog_format = 'ROW'");
    });
    expect(error.code).toBe("MYSQL_BINLOG_FORMAT");
    expect(error.remedy).toContain("SET GLOBAL binlog_format = 'ROW'");
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await client.query("SET SESSION binlog_format = 'STATEMENT'");
    await client.query(`INSERT INTO ${db}.a VALUES (2)`);
    expect((await input.fails()).code).toBe("MYSQL_BINLOG_FORMAT");
    expect(input.rows().map((row) => row.after?.[0])).toEqual([1]);
    client.close();
  });

  own.test("a server without a binlog is told apart", async ({ silent }) => {
    const error = await (await runInput(silent)).fails();
    expect(error.code).toBe("MYSQL_BINLOG_OFF");
    expect(error.remedy).toContain("log_bin");
  });

  own.test("JSON differences and server_id 0 stop the input", async ({ mysql }) => {
    const root = await clientAt(mysql);
    await root.query("SET GLOBAL binlog_row_value_options = 'PARTIAL_JSON'");
    const partial = await (await runInput(mysql)).fails();
    await root.query("SET GLOBAL binlog_row_value_options = ''");
    expect(partial.code).toBe("MYSQL_PARTIAL_JSON");
    const [row] = await root.query("SELECT @@GLOBAL.server_id AS id");
    await root.query("SET GLOBAL server_id = 0");
    const zero = await (await runInput(mysql)).fails();
    await root.query(`SET GLOBAL server_id = ${row?.id}`);
    expect(zero.code).toBe("MYSQL_SERVER_ID");
    root.close();
  });

  own.test("gtid: on wants a server that has GTIDs", async ({ mysql }) => {
    const root = await clientAt(mysql);
    await root.query("SET GLOBAL gtid_mode = ON_PERMISSIVE");
    try {
      expect((await (await runInput(mysql, { gtid: "on" })).fails()).code).toBe("MYSQL_GTID_OFF");
    } finally {
      await root.query("SET GLOBAL gtid_mode = ON");
      root.close();
    }
  });

  onBoth("a reader with the server's own id is a clash", async (at) => {
    const root = await clientAt(at);
    const [row] = await root.query("SELECT @@GLOBAL.server_id AS id");
    const input = await runInput(at, { serverId: Number(row?.id) });
    await waitFor(() => input.states.some((state) => state?.includes("itself has server_id")), {
      what: "the clash to be told",
    });
    await input.stop();
    root.close();
  });

  onBoth("the binlog's lack of names is told once, with the statement", async (at) => {
    const input = await runInput(at);
    await input.streaming();
    await input.stop();
    expect(input.warnings.length).toBe(1);
    expect(input.warnings[0]).toContain("SET GLOBAL binlog_row_metadata = FULL");
  });

  onBoth("a database that is not there is told, and read once it is", async (at) => {
    const { client, db } = await freshDatabase(at, "there");
    await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY)`);
    const later = `${db}_later`;
    const input = await runInput(at, { databases: [later] });
    await input.streaming();
    expect(input.warnings.at(-1)).toMatch(/^none of the \d+ tables that .* sees is to be read/);
    await client.query(`CREATE DATABASE ${later}`);
    await client.query(`CREATE TABLE ${later}.t (id INT PRIMARY KEY)`);
    await client.query(`INSERT INTO ${later}.t VALUES (1)`);
    await waitFor(() => input.packets.length === 1, { what: "the row" });
    await input.stop();
    for (const name of [db, later]) await client.query(`DROP DATABASE ${name}`);
    await client.close();
  });
});

describe("unreachable", () => {
  test("a closed port and an unknown name are tried again until the input is stopped", async () => {
    for (const host of ["127.0.0.1", "no-such-host.invalid"]) {
      const input = await runInput({ host, port: 1 }, { tls: "disable" });
      await waitFor(() => input.states.length >= 2, { what: "two attempts", timeoutMs: 20_000 });
      expect(input.ended).toBeUndefined();
      expect(input.states[0]).toStartWith(`reconnecting: ${host}:1`);
      await input.stop();
      expect(input.ended).toEqual({ error: undefined });
    }
  });
});

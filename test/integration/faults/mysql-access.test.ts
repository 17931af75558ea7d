import { expect } from "bun:test";
import { copyFile, mkdtemp } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectMysql, type MysqlConnection, type TlsMode } from "#src/clients/mysql/connection.ts";
import { systemClock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import type { Json } from "#src/flow/position.ts";
import { createFormat } from "#src/format/format.ts";
import { type MysqlService, startMysql, useStarted } from "../../services/index.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { hastyClock } from "../../support/hasty-clock.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { clientAt, tableOn, targetAt } from "../../support/mysql-client.ts";
import { type RunningInput, runInput } from "../../support/mysql-input.ts";

const fixtures = join(import.meta.dir, "../../fixtures/tls");
const ca = join(fixtures, "faults/ca.pem");

type Own = MysqlService & {
  /** Gives the server another certificate, as an operator does, while it runs. */
  certify(name: "good" | "expired" | "elsewhere"): Promise<void>;
};

/** Servers of this file's own: their accounts, settings and certificates are changed. */
const own = await useStarted("mysql and mariadb", async () => {
  const [mysql, mariadb] = await Promise.all([start("mysql"), start("mariadb")]);
  return { mysql, mariadb };
});

async function start(flavor: "mysql" | "mariadb"): Promise<Own> {
  const dir = await mkdtemp(join(tmpdir(), "dbus-certificates-"));
  const file = (name: string) => join(dir, name);
  const take = (name: string) => copyFile(join(fixtures, `faults/${name}-cert.pem`), file("cert"));
  await take("good");
  await copyFile(join(fixtures, "faults/key.pem"), file("key"));
  const args = [`--ssl-ca=${ca}`, `--ssl-cert=${file("cert")}`, `--ssl-key=${file("key")}`];
  const server = await startMysql({ flavor, args });
  return Object.setPrototypeOf(
    {
      async certify(name: string) {
        await take(name);
        // MySQL takes none that has expired while it runs, and does when it starts.
        if (flavor === "mysql" && name === "expired") {
          server.kill("SIGKILL");
          return server.restart();
        }
        const client = await clientAt(server);
        await client.query(flavor === "mysql" ? "ALTER INSTANCE RELOAD TLS" : "FLUSH SSL");
        client.close();
      },
    },
    server,
  ) as Own;
}

/** On both at once: what takes long here is waiting. */
function onBoth(name: string, run: (at: Own) => Promise<void>): void {
  own.test(name, async ({ mysql, mariadb }) => {
    await Promise.all([run(mysql), run(mariadb)]);
  });
}

const idsOf = (input: RunningInput) => input.rows().map(({ after }) => after?.[0]);

/** `act` is done again and again, but seldom: each time is a failure that makes the next wait longer. */
const told = (input: RunningInput, text: string | RegExp, act?: () => Promise<void>) =>
  waitFor(
    async () => {
      await act?.();
      return input.states.some((state) => state?.match(text));
    },
    { what: `${text}`, timeoutMs: 20_000, intervalMs: act ? 500 : 10 },
  );

const replication = "REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.*";

/** An account of the test's own that may replicate. */
async function accountOn(client: MysqlConnection, user: string): Promise<void> {
  await client.query(`CREATE USER ${user}@'%' IDENTIFIED BY 'one'`);
  await client.query(`GRANT ${replication} TO ${user}@'%'`);
}

async function disconnect(client: MysqlConnection, user: string): Promise<void> {
  const list = `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = '${user}'`;
  for (const { id } of await client.query(list)) await client.query(`KILL ${id}`).catch(() => {});
}

/**
 * A reader that is shut out by `lock`, looks again three times while it is, and is let in by
 * `unlock`. Each look costs the server a login, so they must be few: counted where they arrive.
 */
async function shutOut(
  at: Own,
  around: {
    readonly user: string;
    readonly error: string | RegExp;
    readonly config?: Readonly<Record<string, unknown>>;
    lock(client: MysqlConnection): Promise<void>;
    unlock(client: MysqlConnection): Promise<void>;
  },
): Promise<void> {
  const { client: first, db } = await tableOn(at);
  await accountOn(first, around.user);
  const proxy = await faultProxy(at, { seed: 1 });
  const clock = hastyClock(12_000);
  const dsn = `mysql://${around.user}:one@localhost:${proxy.port}`;
  const config = { dsn, databases: [db], ...around.config };
  const input = await runInput(proxy, config, { clock });
  await input.streaming();
  await first.query(`INSERT INTO ${db}.a VALUES (1)`);
  await input.rowsReach(1);
  await around.lock(first);
  first.close();
  const client = await clientAt(at);
  await told(input, around.error, () => disconnect(client, around.user));
  const before = proxy.stats().accepted;
  await client.query(`INSERT INTO ${db}.a VALUES (2)`);
  await waitFor(() => clock.waits.length >= 3, { what: "three looks" });
  const looks = clock.waits.length;
  // A look is one connection, or two when only the second is refused.
  expect(proxy.stats().accepted - before).toBeLessThanOrEqual(2 * (looks + 1));
  for (const [n, ms] of clock.waits.slice(0, 3).entries()) {
    expect(ms).toBeGreaterThanOrEqual(15_000 * 2 ** n);
    expect(ms).toBeLessThanOrEqual(30_000 * 2 ** n);
  }
  expect([idsOf(input), input.ended]).toEqual([[1], undefined]);
  await around.unlock(client);
  await input.rowsReach(2);
  await client.query(`INSERT INTO ${db}.a VALUES (3)`);
  await input.rowsReach(3);
  expect([idsOf(input), input.gaps, input.states.at(-1)]).toEqual([[1, 2, 3], [], null]);
  await input.stop();
  await proxy.close();
  client.close();
}

onBoth("fault 20: a password that is rotated is waited for, with few and fewer logins", (at) =>
  shutOut(at, {
    user: "rotated",
    error: "Access denied",
    lock: async (client) => void (await client.query("ALTER USER rotated@'%' IDENTIFIED BY 'two'")),
    unlock: async (client) =>
      void (await client.query("ALTER USER rotated@'%' IDENTIFIED BY 'one'")),
  }),
);

onBoth("fault 20: a grant that is revoked is waited for, with few and fewer logins", (at) =>
  shutOut(at, {
    user: "revoked",
    error: /REPLICATION SLAVE|Access denied/,
    lock: async (client) =>
      void (await client.query("REVOKE REPLICATION SLAVE ON *.* FROM revoked@'%'")),
    unlock: async (client) =>
      void (await client.query("GRANT REPLICATION SLAVE ON *.* TO revoked@'%'")),
  }),
);

onBoth(
  "fault 22: a certificate that expires while it reads is not believed, until it is good",
  (at) =>
    shutOut(at, {
      user: "expired",
      error: "expired",
      config: { tls: "verify-full", tlsCa: ca },
      lock: () => at.certify("expired"),
      unlock: () => at.certify("good"),
    }),
);

async function codeOf(at: MysqlService, tls: TlsMode, tlsCa: string, port = at.port) {
  const target = { ...targetAt(at), host: "localhost", port, tls, tlsCa };
  const connected = await connectMysql(target, systemClock).catch((error) => error);
  if (connected instanceof DbusError) return connected.code;
  connected.close();
  return "connected";
}

onBoth(
  "fault 22: a certificate of another host, expired or of another authority is refused",
  async (at) => {
    const verdicts = async (authority = ca) => [
      await codeOf(at, "verify-full", authority),
      await codeOf(at, "verify-ca", authority),
      await codeOf(at, "require", authority),
    ];
    const [no, yes] = ["MYSQL_TLS", "connected"];
    try {
      expect(await verdicts()).toEqual([yes, yes, yes]);
      expect(await verdicts(join(fixtures, "other-ca.pem"))).toEqual([no, no, yes]);
      await at.certify("elsewhere");
      expect(await verdicts()).toEqual([no, yes, yes]);
      await at.certify("expired");
      expect(await verdicts()).toEqual([no, no, yes]);
    } finally {
      await at.certify("good");
    }
  },
);

/** Somebody in between who tells clients that the server knows no TLS, and listens. */
async function stripper(at: MysqlService) {
  const heard: Buffer[] = [];
  const server = createServer((client) => {
    const up = connect({ port: at.port, host: "127.0.0.1" });
    let greeted = false;
    up.on("data", (chunk: Buffer) => {
      if (!greeted) {
        greeted = true;
        // Header, protocol version, version with its zero, thread id, eight bytes and a filler.
        const flags = chunk.indexOf(0, 5) + 1 + 4 + 8 + 1;
        chunk.writeUInt16LE(chunk.readUInt16LE(flags) & ~0x0800, flags);
      }
      client.write(chunk);
    });
    client.on("data", (chunk: Buffer) => {
      heard.push(chunk);
      up.write(chunk);
    });
    for (const [one, other] of [
      [client, up],
      [up, client],
    ] as const) {
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return { port, heard: () => Buffer.concat(heard).length, close: () => server.close() };
}

onBoth("fault 22: who strips TLS out of the greeting hears nothing", async (at) => {
  const between = await stripper(at);
  for (const mode of ["require", "verify-ca", "verify-full"] as const) {
    expect(await codeOf(at, mode, ca, between.port)).toBe("MYSQL_TLS");
  }
  expect(between.heard()).toBe(0);
  // That he is good at it shows with a client that does not ask for TLS.
  expect(await codeOf(at, "disable", ca, between.port)).toBe("connected");
  expect(between.heard()).toBeGreaterThan(0);
  between.close();
});

onBoth(
  "fault 21: a server with no connection left is tried again, slower each time",
  async (at) => {
    const { client, db } = await tableOn(at);
    await accountOn(client, "crowded");
    await client.query("CREATE USER crowd@'%' IDENTIFIED BY 'one'");
    const [old] = await client.query("SELECT @@GLOBAL.max_connections AS connections");
    const dsn = `mysql://crowded:one@127.0.0.1:${at.port}`;
    const input = await runInput(at, { dsn, databases: [db] });
    await input.streaming();
    // MariaDB takes 10 for the least.
    const most = at.flavor === "mysql" ? 1 : 10;
    await client.query(`SET GLOBAL max_connections = ${most}`);
    await disconnect(client, "crowded");
    const crowd = [];
    const filler = targetAt(at, { user: "crowd", password: "one" });
    while (crowd.length < most) {
      const one = await connectMysql(filler, systemClock).catch(() => undefined);
      if (one) crowd.push(one);
      else break;
    }
    await told(input, /Too many connections/i);
    const tries = () => input.states.filter((state) => state?.includes("oo many conn")).length;
    await waitFor(() => tries() >= 3, { what: "three tries" });
    expect(input.ended).toBeUndefined();
    for (const one of crowd) one.close();
    await client.query(`SET GLOBAL max_connections = ${old?.connections}`);
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await input.rowsReach(1);
    expect([idsOf(input), input.states.at(-1)]).toEqual([[1], null]);
    await input.stop();
    client.close();
  },
);

onBoth(
  "fault 21: a server that blocks our host for the errors of another is waited for",
  async (at) => {
    const { client, db } = await tableOn(at);
    await accountOn(client, "blocked");
    const [old] = await client.query("SELECT @@GLOBAL.max_connect_errors AS errors");
    await client.query("SET GLOBAL max_connect_errors = 3");
    // The server does not count what comes from 127.0.0.1.
    const from = "127.0.0.2";
    const proxy = await faultProxy(at, { seed: 1, from });
    const dsn = `mysql://blocked:one@127.0.0.1:${proxy.port}`;
    const input = await runInput(proxy, { dsn, databases: [db] });
    await input.streaming();
    for (let n = 0; n < 5; n++) {
      const rude = connect({ port: at.port, host: "127.0.0.1", localAddress: from });
      await new Promise((resolve) => rude.once("data", resolve));
      rude.destroy();
    }
    proxy.cut("reset");
    await told(input, /is blocked because of many connection errors/);
    await holdsFor(() => input.ended === undefined, { ms: 300, what: "its patience" });
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    const forget = at.flavor === "mysql" ? "SET GLOBAL host_cache_size = 100" : "FLUSH HOSTS";
    await client.query(forget);
    await input.rowsReach(1);
    expect([idsOf(input), input.states.at(-1)]).toEqual([[1], null]);
    await input.stop();
    await proxy.close();
    await client.query(`SET GLOBAL max_connect_errors = ${old?.errors}`);
    client.close();
  },
);

/** A change of a setting counts for those who log in after it. */
async function writeUnder(
  at: MysqlService,
  settings: Readonly<Record<string, string>>,
  statements: readonly string[],
): Promise<void> {
  const root = await clientAt(at);
  const old = await root.query(
    `SELECT ${Object.keys(settings).map((key) => `@@GLOBAL.${key} AS ${key}`)}`,
  );
  for (const [key, value] of Object.entries(settings)) {
    await root.query(`SET GLOBAL ${key} = '${value}'`);
  }
  const writer = await clientAt(at);
  for (const sql of statements) await writer.query(sql);
  writer.close();
  for (const key of Object.keys(settings)) {
    await root.query(`SET GLOBAL ${key} = '${old[0]?.[key]}'`);
  }
  root.close();
}

onBoth(
  "fault 16: row images made smaller while it reads leave columns absent, never null",
  async (at) => {
    const { client, db } = await tableOn(at);
    await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY, a INT, b BLOB)`);
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.t VALUES (1, 10, 'b')`);
    await writeUnder(at, { binlog_row_image: "MINIMAL" }, [
      `UPDATE ${db}.t SET a = NULL WHERE id = 1`,
      `DELETE FROM ${db}.t WHERE id = 1`,
      `INSERT INTO ${db}.t (id, a) VALUES (2, 20)`,
    ]);
    await writeUnder(at, { binlog_row_image: "NOBLOB" }, [
      `UPDATE ${db}.t SET a = 21 WHERE id = 2`,
    ]);
    await client.query(`UPDATE ${db}.t SET a = 22 WHERE id = 2`);
    const rows = await input.rowsReach(6);
    expect(rows.map(({ before, after }) => [before?.slice(), after?.slice()])).toEqual([
      [undefined, [1, 10, expect.anything()]],
      [
        [1, undefined, undefined],
        [undefined, null, undefined],
      ],
      [[1, undefined, undefined], undefined],
      [undefined, [2, 20, undefined]],
      [
        [2, 20, undefined],
        [2, 21, undefined],
      ],
      [
        [2, 21, null],
        [2, 22, null],
      ],
    ]);
    const format = createFormat("debezium", { wall: () => 0 });
    const images = input.packets.map((packet) => JSON.parse(`${format.value(packet)}`).after);
    expect(images[1]).toEqual({ a: null });
    expect(images[3]).toEqual({ id: 2, a: 20 });
    await input.stop();
    client.close();
  },
);

for (const mode of ["STATEMENT", "MIXED"]) {
  onBoth(
    `fault 16: binlog_format=${mode} while it reads stops it before the first statement`,
    async (at) => {
      const { client, db } = await tableOn(at);
      const input = await runInput(at, { databases: [db] });
      await input.streaming();
      await client.query(`INSERT INTO ${db}.a VALUES (1)`);
      await input.rowsReach(1);
      await writeUnder(at, { binlog_format: mode }, [`INSERT INTO ${db}.a VALUES (2)`]);
      await client.query(`INSERT INTO ${db}.a VALUES (3)`);
      const error = await input.fails();
      expect([error.code, error.kind]).toEqual(["MYSQL_BINLOG_FORMAT", "fatal"]);
      expect([idsOf(input), input.gaps]).toEqual([[1], []]);
      // Nor does a restart get past it: what the statement changed would be lost.
      const resume = JSON.parse(JSON.stringify(input.idles.at(-1))) as Json;
      const again = await runInput(at, { databases: [db] }, { resume });
      expect((await again.fails()).code).toBe("MYSQL_BINLOG_FORMAT");
      expect([again.packets, again.gaps]).toEqual([[], []]);
      client.close();
    },
  );
}

import { describe, expect } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MysqlService, startMysql, useStarted } from "../services/index.ts";
import { faultProxy } from "../support/fault-proxy.ts";
import { holdsFor, waitFor } from "../support/index.ts";
import { clientAt, streams, tableOn } from "../support/mysql-client.ts";
import { runInput } from "../support/mysql-input.ts";

/** Servers of this file's own: they are killed, stopped and purged. */
const own = await useStarted("mysql and mariadb", async () => {
  const [mysql, mariadb] = await Promise.all([
    startMysql({ flavor: "mysql" }),
    startMysql({ flavor: "mariadb" }),
  ]);
  return { mysql, mariadb };
});

function onBoth(name: string, run: (at: MysqlService) => Promise<void>): void {
  own.test(`${name} (mysql)`, ({ mysql }) => run(mysql));
  own.test(`${name} (mariadb)`, ({ mariadb }) => run(mariadb));
}

describe("faults", () => {
  onBoth("two readers with one server id: neither moves its position", async (at) => {
    const { client, db } = await tableOn(at);
    const config = { databases: [db], serverId: 4711, onPositionLost: "latest" };
    const one = await runInput(at, config);
    await one.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await one.rowsReach(1);
    const two = await runInput(at, config);
    await two.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (2)`);
    await two.rowsReach(1);
    await waitFor(() => one.states.some((state) => /same server/i.test(state ?? "")), {
      what: "the clash to be told",
    });
    expect([...one.gaps, ...two.gaps]).toEqual([]);
    expect(one.ended).toBeUndefined();
    await two.stop();
    await one.rowsReach(2);
    expect(one.rows().map((row) => row.after?.[0])).toEqual([1, 2]);
    await one.stop();
    client.close();
  });

  onBoth("a server that is killed and comes back loses and repeats nothing", async (at) => {
    const { client, db } = await tableOn(at);
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1), (2)`);
    await input.rowsReach(2);
    at.kill("SIGKILL");
    await waitFor(() => input.states.some((state) => state?.startsWith("reconnecting")), {
      what: "the loss to be told",
    });
    await at.restart();
    const again = await clientAt(at);
    await again.query(`INSERT INTO ${db}.a VALUES (3)`);
    expect((await input.rowsReach(3)).map((row) => row.after?.[0])).toEqual([1, 2, 3]);
    expect(input.states.at(-1)).toBeNull();
    await input.stop();
    again.close();
  });

  onBoth("a server that falls silent is left after three missed heartbeats", async (at) => {
    const { client, db } = await tableOn(at);
    const input = await runInput(at, {
      databases: [db],
      heartbeatMs: 300,
      connectTimeoutMs: 1_000,
    });
    await input.streaming();
    at.kill("SIGSTOP");
    try {
      await waitFor(() => input.states.some((state) => state?.includes("neither events")), {
        what: "the silence to be noticed",
        timeoutMs: 5_000,
      });
    } finally {
      at.kill("SIGCONT");
    }
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await input.rowsReach(1);
    await input.stop();
    client.close();
  });

  onBoth("an idle server is not taken for a dead one", async (at) => {
    const { client, db } = await tableOn(at);
    const input = await runInput(at, { databases: [db], heartbeatMs: 100 });
    await input.streaming();
    const quiet = () => input.states.length === 1 && input.states[0] === null;
    await holdsFor(quiet, { ms: 1_200, what: "an idle stream" });
    expect(input.lags.at(-1)?.seconds).toBe(0);
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await input.rowsReach(1);
    await input.stop();
    client.close();
  });

  onBoth("a stream that an operator kills is taken up again amid its transaction", async (at) => {
    const { client, db } = await tableOn(at);
    await client.query(`CREATE TABLE ${db}.big (id INT PRIMARY KEY, t LONGTEXT)`);
    const input = await runInput(at, { databases: [db] }, { credit: 100 });
    await input.streaming();
    await client.query("BEGIN");
    for (let n = 0; n < 40; n++) {
      await client.query(`INSERT INTO ${db}.big VALUES (${n}, REPEAT('x', 1048576))`);
    }
    await client.query("COMMIT");
    input.withhold();
    for (const { id } of await client.query(streams)) await client.query(`KILL ${id}`);
    await waitFor(() => input.packets.length > 0, { what: "rows before the kill" });
    input.grant(1_000);
    const rows = await input.rowsReach(40);
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await input.rowsReach(41);
    expect(rows.slice(0, 40).map((row) => row.after?.[0])).toEqual(
      Array.from({ length: 40 }, (_, n) => n),
    );
    await input.stop();
    client.close();
  });

  onBoth("a stream that is cut after any byte repeats and loses no row", async (at) => {
    const { client, db } = await tableOn(at);
    const from = await clientAt(at);
    const files = await from.query("SHOW BINARY LOGS");
    const start = {
      file: String(files.at(-1)?.Log_name),
      pos: Number(files.at(-1)?.File_size),
    };
    await client.query("BEGIN");
    for (let n = 0; n < 20; n++) await client.query(`INSERT INTO ${db}.a VALUES (${n})`);
    await client.query("COMMIT");
    for (let n = 20; n < 30; n++) await client.query(`INSERT INTO ${db}.a VALUES (${n})`);
    const all = Array.from({ length: 30 }, (_, n) => n);
    const cuts = Array.from({ length: 60 }, (_, n) => n * 71);
    for (let first = 0; first < cuts.length; first += 12) {
      const lots = cuts.slice(first, first + 12).map(async (bytes) => {
        const proxy = await faultProxy(at, { seed: 1 });
        const toxic = { type: "truncate", afterBytes: bytes } as const;
        const cut = proxy.add(toxic, { connection: 2, direction: "downstream" });
        const input = await runInput(proxy, { databases: [db], start });
        const rows = await input.rowsReach(30);
        await input.stop();
        await proxy.close();
        return [bytes, cut.acted, rows.map((row) => row.after?.[0])];
      });
      for (const [bytes, cut, ids] of await Promise.all(lots)) {
        expect([bytes, cut, ids]).toEqual([bytes, 1, all]);
      }
    }
    client.close();
    from.close();
  });

  onBoth(
    "a server that gives up on a slow reader is read on when there is room (fault 24)",
    async (at) => {
      const { client, db } = await tableOn(at);
      await client.query(`CREATE TABLE ${db}.big (id INT PRIMARY KEY, t LONGTEXT)`);
      const [old] = await client.query("SELECT @@GLOBAL.net_write_timeout AS seconds");
      await client.query("SET GLOBAL net_write_timeout = 1");
      const input = await runInput(at, { databases: [db] }, { credit: 3 });
      await input.streaming();
      for (let n = 0; n < 30; n++) {
        await client.query(`INSERT INTO ${db}.big VALUES (${n}, REPEAT('x', 1048576))`);
      }
      await waitFor(async () => (await client.query(streams)).length === 0, {
        what: "the server to give up",
        timeoutMs: 20_000,
      });
      input.grant(1_000);
      const rows = await input.rowsReach(30);
      expect(rows.map((row) => row.after?.[0])).toEqual(Array.from({ length: 30 }, (_, n) => n));
      await input.stop();
      await client.query(`SET GLOBAL net_write_timeout = ${old?.seconds}`);
      client.close();
    },
  );

  onBoth(
    "an event above the server's max_allowed_packet arrives, or ends it loudly",
    async (at) => {
      const { client, db } = await tableOn(at);
      await client.query(`CREATE TABLE ${db}.big (id INT PRIMARY KEY, t LONGTEXT)`);
      const [old] = await client.query("SELECT @@GLOBAL.max_allowed_packet AS bytes");
      await client.query("SET GLOBAL max_allowed_packet = 1048576");
      try {
        const input = await runInput(at, { databases: [db] });
        await input.streaming();
        await client.query(`INSERT INTO ${db}.big VALUES (1, REPEAT('x', 4194304))`);
        await waitFor(() => input.ended || input.packets.length === 1, { what: "row or error" });
        expect(input.ended?.error?.code ?? "arrived").toMatch(/^(arrived|MYSQL_EVENT_TOO_LARGE)$/);
        expect(input.gaps).toEqual([]);
        await input.stop();
      } finally {
        await client.query(`SET GLOBAL max_allowed_packet = ${old?.bytes}`);
        client.close();
      }
    },
  );

  onBoth("the server id is drawn once and kept in the state folder", async (at) => {
    const { client, db } = await tableOn(at);
    const stateDir = await mkdtemp(join(tmpdir(), "dbus-server-id-"));
    const replicas = at.flavor === "mysql" ? "SHOW REPLICAS" : "SHOW REPLICA HOSTS";
    const ids: (string | undefined)[] = [];
    for (let n = 0; n < 2; n++) {
      const input = await runInput(at, { databases: [db] }, { stateDir });
      await input.streaming();
      const kept = (await readFile(join(stateDir, "in", "server-id"), "utf8")).trim();
      await waitFor(
        async () => {
          const listed = await client.query(replicas);
          return listed.some((row) => String(row.Server_Id ?? row.Server_id) === kept);
        },
        { what: "the server to list us" },
      );
      ids.push(kept);
      await input.stop();
    }
    expect(ids[0]).toBe(ids[1]);
    await rm(stateDir, { recursive: true });
    client.close();
  });

  own.test("a server that is shut down and comes back is read on", async ({ mariadb: at }) => {
    const { client, db } = await tableOn(at);
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await input.rowsReach(1);
    await at.restart();
    const again = await clientAt(at);
    await again.query(`INSERT INTO ${db}.a VALUES (2)`);
    expect((await input.rowsReach(2)).map((row) => row.after?.[0])).toEqual([1, 2]);
    await input.stop();
    again.close();
  });
});

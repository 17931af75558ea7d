import { describe, expect } from "bun:test";
import type { MysqlConnection } from "#src/clients/mysql/connection.ts";
import { startMysql } from "../../services/mysql.ts";
import { sharedMysql } from "../../services/shared.ts";
import { useStarted } from "../../services/use-services.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { positionsOf, type RunningInput, runInput, shortOf } from "../../support/mysql-input.ts";

const servers = await useStarted("mysql and mariadb", async () => ({
  mysql: await sharedMysql("mysql"),
  mariadb: await sharedMysql("mariadb"),
  largeEvents: await startMysql({ args: ["--binlog-row-event-max-size=1048576"] }),
}));
const limit = { eventBytesMax: 65_536 };
/** A row of so many bytes in the long form of this test: up to a LONGBLOB of 1 GB. */
const largeBytes = Number(process.env.DBUS_LARGE_ROW ?? 40 * 2 ** 20);

type Pointer = {
  readonly pointer: { readonly table: string; readonly op: string; readonly bytes: number };
};

/** What the dead letters say, each with its code. */
function pointersOf(input: RunningInput): [string, string, string, number][] {
  return input.deadLetters.map(({ packet, error }) => {
    if (packet.payload.kind !== "document") throw new Error("not a pointer");
    const { table, op, bytes } = (JSON.parse(packet.payload.json) as Pointer).pointer;
    return [error.code, table, op, bytes];
  });
}

const ids = (input: RunningInput) => input.rows().map((row) => shortOf(row)[1]);

async function tableOf(client: MysqlConnection, db: string): Promise<void> {
  await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, t LONGTEXT, b LONGBLOB)`);
}

for (const flavor of ["mysql", "mariadb"] as const) {
  describe(flavor, () => {
    servers.test(
      "fault 102: rows above the limit are passed over, and written down",
      async (all) => {
        const { client, db } = await freshDatabase(all[flavor]);
        await tableOf(client, db);
        const input = await runInput(all[flavor], { databases: [db], ...limit });
        await input.streaming();
        const before = process.memoryUsage.rss();
        await client.query(`BEGIN`);
        await client.query(`INSERT INTO ${db}.a VALUES (1, 'small', NULL)`);
        await client.query(`INSERT INTO ${db}.a VALUES (2, NULL, REPEAT('x', ${largeBytes}))`);
        await client.query(`INSERT INTO ${db}.a VALUES (3, 'small', NULL)`);
        await client.query("COMMIT");
        await client.query(`UPDATE ${db}.a SET t = REPEAT('y', 100000) WHERE id = 1`);
        await client.query(`DELETE FROM ${db}.a WHERE id = 2`);
        await client.query(`INSERT INTO ${db}.a VALUES (4, 'small', NULL)`);
        await input.rowsReach(3);
        expect(ids(input)).toEqual([1, 3, 4]);
        const [first, second, third] = pointersOf(input);
        expect(first?.slice(0, 3)).toEqual(["MYSQL_EVENT_TOO_LARGE", "a", "I"]);
        expect(first?.[3]).toBeGreaterThan(largeBytes);
        expect([second?.[2], third?.[2], pointersOf(input).length]).toEqual(["U", "D", 3]);
        expect((process.memoryUsage.rss() - before) / 2 ** 20).toBeLessThan(64);
        // It counts as a row: what is behind it in the transaction has its place.
        expect(positionsOf(input).map((position) => (position as { rows: number }).rows)).toEqual([
          1, 3, 1,
        ]);
        await input.stop();
        // Settled up to the pointer, the same comes once more, and is skipped once more.
        const again = await runInput(
          all[flavor],
          { databases: [db], ...limit },
          { resume: positionsOf(input)[1] },
        );
        await again.rowsReach(1);
        expect([ids(again), pointersOf(again).map(([, , op]) => op)]).toEqual([[4], ["U", "D"]]);
        await again.stop();
        client.close();
      },
    );

    servers.test("fault 102: a row of 4,096 columns arrives whole", async (all) => {
      const { client, db } = await freshDatabase(all[flavor]);
      // InnoDB ends at 1,017 columns, and MariaDB where their names are more than 64 KiB.
      const count = flavor === "mysql" ? 4_096 : 2_500;
      const names = Array.from({ length: count }, (_, at) => `c${at}`);
      const columns = names.map((name) => `${name} TINYINT`).join();
      await client.query(`CREATE TABLE ${db}.wide (${columns}) ENGINE=MyISAM`);
      const input = await runInput(all[flavor], { databases: [db] });
      await input.streaming();
      const values = names.map((_, at) => (at % 5 === 0 ? null : (at % 250) - 125));
      const texts = values.map((value) => value ?? "NULL").join();
      await client.query(`INSERT INTO ${db}.wide VALUES (${texts})`);
      const [row] = await input.rowsReach(1);
      expect(row?.table.columns.map(({ name }) => name)).toEqual(names);
      expect(row?.after).toEqual(values);
      // Its columns are charged, so that no window holds more of them than it was meant to.
      expect(input.packets[0]?.bytes).toBeGreaterThan(count * 32);
      await input.stop();
      client.close();
    });

    servers.test(
      "one that is only compressed below the limit is too large as well",
      async (all) => {
        const { client, db } = await freshDatabase(all[flavor]);
        await tableOf(client, db);
        const variable =
          flavor === "mysql" ? "SESSION binlog_transaction_compression" : "GLOBAL log_bin_compress";
        const input = await runInput(all[flavor], { databases: [db], ...limit });
        await input.streaming();
        await client.query(`SET ${variable} = ON`);
        try {
          await client.query("BEGIN");
          for (const [id, bytes] of [10, 200_000, 20, 3_000_000, 30].entries()) {
            await client.query(`INSERT INTO ${db}.a VALUES (${id}, REPEAT('x', ${bytes}), NULL)`);
          }
          await client.query("COMMIT");
        } finally {
          await client.query(`SET ${variable} = OFF`);
        }
        await input.rowsReach(3);
        expect(ids(input)).toEqual([0, 2, 4]);
        expect(pointersOf(input).map(([code, , op]) => [code, op])).toEqual([
          ["MYSQL_EVENT_TOO_LARGE", "I"],
          ["MYSQL_EVENT_TOO_LARGE", "I"],
        ]);
        await input.stop();
        client.close();
      },
    );

    servers.test("onEventTooLarge: fail stops before it, with its code", async (all) => {
      const { client, db } = await freshDatabase(all[flavor]);
      await tableOf(client, db);
      const config = { databases: [db], ...limit, onEventTooLarge: "fail" };
      const input = await runInput(all[flavor], config);
      await input.streaming();
      await client.query(`INSERT INTO ${db}.a VALUES (1, 'small', NULL)`);
      await client.query(`INSERT INTO ${db}.a VALUES (2, REPEAT('x', 70000), NULL)`);
      expect((await input.fails()).code).toBe("MYSQL_EVENT_TOO_LARGE");
      expect([ids(input), pointersOf(input)]).toEqual([[1], []]);
      client.close();
    });
  });
}

servers.test(
  "several rows in one event are never passed over: nobody could count them",
  async (all) => {
    const { client, db } = await freshDatabase(all.largeEvents);
    await tableOf(client, db);
    const input = await runInput(all.largeEvents, { databases: [db], ...limit });
    await input.streaming();
    expect(input.warnings.join()).toContain("binlog_row_event_max_size 1048576");
    const row = (id: number) => `(${id}, REPEAT('x', 40000), NULL)`;
    await client.query(`INSERT INTO ${db}.a VALUES ${[1, 2, 3].map(row).join()}`);
    expect((await input.fails()).code).toBe("MYSQL_EVENT_TOO_LARGE");
    expect([ids(input), pointersOf(input)]).toEqual([[], []]);
    client.close();
  },
);

import { describe, expect } from "bun:test";
import type { Json } from "#src/flow/position.ts";
import { type MysqlService, startMysql, useStarted } from "../services/index.ts";
import { waitFor } from "../support/index.ts";
import { killStreams, tableOn } from "../support/mysql-client.ts";
import { runInput } from "../support/mysql-input.ts";

/** Servers of this file's own: they are purged and reset. */
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

/** What a reader that stopped before the purge would go on from. */
async function purgedPosition(at: MysqlService, gtid: string) {
  const { client, db } = await tableOn(at);
  const reader = await runInput(at, { databases: [db], gtid });
  await reader.streaming();
  await client.query(`INSERT INTO ${db}.a VALUES (1)`);
  await reader.rowsReach(1);
  await waitFor(() => reader.idles.length > 1, { what: "the end of the transaction" });
  await reader.stop();
  const resume = JSON.parse(JSON.stringify(reader.idles.at(-1))) as Json;
  await client.query(`INSERT INTO ${db}.a VALUES (2)`);
  await client.query("FLUSH BINARY LOGS");
  await client.query(`INSERT INTO ${db}.a VALUES (3)`);
  await client.query("FLUSH BINARY LOGS");
  // MariaDB keeps files for as long as a thread streams them, also to a reader that is gone.
  await killStreams(client);
  const oldest = (await client.query("SHOW BINARY LOGS")).at(-2)?.Log_name;
  // Nor does it purge a file whose transactions InnoDB has not flushed yet, and says nothing.
  await waitFor(
    async () => {
      await client.query(`PURGE BINARY LOGS TO '${oldest}'`);
      return (await client.query("SHOW BINARY LOGS"))[0]?.Log_name === oldest;
    },
    { what: "the purge" },
  );
  return { client, db, resume };
}

// Before the others, which purge.
onBoth("an empty set of GTIDs means everything, from the first transaction on", async (at) => {
  const { client, db } = await tableOn(at);
  await client.query(`INSERT INTO ${db}.a VALUES (1)`);
  const input = await runInput(at, { databases: [db], gtid: "on", start: { gtid: "" } });
  await input.streaming();
  await client.query(`INSERT INTO ${db}.a VALUES (2)`);
  const rows = await input.rowsReach(2);
  expect(rows.map(({ after }) => after)).toEqual([[1], [2]]);
  await input.stop();
  await client.query("FLUSH BINARY LOGS");
  await client.close();
});

describe("position lost", () => {
  for (const gtid of ["auto", "off"]) {
    const by = gtid === "off" ? "by file and offset" : "by GTID";

    onBoth(`fail: a purged position stops the input and keeps it, ${by}`, async (at) => {
      const { client, db, resume } = await purgedPosition(at, gtid);
      const input = await runInput(at, { databases: [db], gtid }, { resume });
      const error = await input.fails();
      expect(error.code).toBe("POSITION_LOST");
      expect(error.kind).toBe("fatal");
      expect(input.gaps).toEqual([]);
      expect(input.idles).toEqual([]);
      client.close();
    });

    onBoth(`earliest: goes on with the oldest that is left, the gap noted, ${by}`, async (at) => {
      const { client, db, resume } = await purgedPosition(at, gtid);
      const config = { databases: [db], gtid, onPositionLost: "earliest" };
      const input = await runInput(at, config, { resume });
      const rows = await input.rowsReach(1);
      expect(rows.map((row) => row.after?.[0])).toEqual([3]);
      expect(input.gaps.length).toBe(1);
      expect(input.gaps[0]?.from).toEqual(resume);
      expect(input.gaps[0]?.to).toEqual(input.idles[0] as Json);
      expect(input.gaps[0]?.reason).not.toBe("");
      await client.query(`INSERT INTO ${db}.a VALUES (4)`);
      await input.rowsReach(2);
      await input.stop();
      client.close();
    });

    onBoth(`latest: goes on with what comes next, the gap noted, ${by}`, async (at) => {
      const { client, db, resume } = await purgedPosition(at, gtid);
      const config = { databases: [db], gtid, onPositionLost: "latest" };
      const input = await runInput(at, config, { resume });
      await input.streaming();
      await client.query(`INSERT INTO ${db}.a VALUES (4)`);
      const rows = await input.rowsReach(1);
      expect(rows.map((row) => row.after?.[0])).toEqual([4]);
      expect(input.gaps.map((gap) => gap.from)).toEqual([resume]);
      await input.stop();
      client.close();
    });
  }

  onBoth("an offset beyond the end of its file is lost, not rewound", async (at) => {
    const { client, db } = await tableOn(at);
    const [file] = await client.query("SHOW BINARY LOGS");
    const resume = { file: String(file?.Log_name), pos: Number(file?.File_size) + 4_000 };
    const input = await runInput(at, { databases: [db], gtid: "off" }, { resume });
    expect((await input.fails()).code).toBe("POSITION_LOST");
    client.close();
  });

  onBoth("an offset amid an event ends loudly and moves nothing", async (at) => {
    const { client, db } = await tableOn(at);
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    const files = await client.query("SHOW BINARY LOGS");
    const resume = {
      file: String(files.at(-1)?.Log_name),
      pos: Number(files.at(-1)?.File_size) - 7,
    };
    const config = { databases: [db], gtid: "off", onPositionLost: "latest" };
    const input = await runInput(at, config, { resume });
    await waitFor(() => input.ended || input.warnings.length > 1, { what: "a loud end" });
    expect(input.gaps).toEqual([]);
    expect(input.packets).toEqual([]);
    await input.stop();
    client.close();
  });

  onBoth("a server that was reset is not read as if nothing had happened", async (at) => {
    const { client, db } = await tableOn(at);
    const reader = await runInput(at, { databases: [db] });
    await reader.streaming();
    for (let n = 0; n < 5; n++) await client.query(`INSERT INTO ${db}.a VALUES (${n})`);
    await reader.rowsReach(5);
    await waitFor(() => reader.idles.length > 5, { what: "the end of the transactions" });
    await reader.stop();
    await killStreams(client);
    const resume = JSON.parse(JSON.stringify(reader.idles.at(-1))) as Json;
    await client.query(at.flavor === "mysql" ? "RESET BINARY LOGS AND GTIDS" : "RESET MASTER");
    await client.query(`INSERT INTO ${db}.a VALUES (10)`);
    const stopped = await runInput(at, { databases: [db] }, { resume });
    expect((await stopped.fails()).code).toBe("POSITION_LOST");
    const config = { databases: [db], onPositionLost: "earliest" };
    const healed = await runInput(at, config, { resume });
    expect((await healed.rowsReach(1)).map((row) => row.after?.[0])).toEqual([10]);
    expect(healed.gaps.length).toBe(1);
    await healed.stop();
    client.close();
  });

  own.test("transactions that the server lacks are lost, also by GTID", async ({ mysql }) => {
    const { client, db } = await tableOn(mysql);
    const [row] = await client.query("SELECT @@GLOBAL.server_uuid AS uuid");
    const input = await runInput(
      mysql,
      { databases: [db] },
      { resume: { gtid: `${row?.uuid}:1-9999999` } },
    );
    const error = await input.fails();
    expect(error.code).toBe("POSITION_LOST");
    expect(error.message).toContain("9999999");
    client.close();
  });

  onBoth("file and offset of another server are not used on this one", async (at) => {
    const { client, db } = await tableOn(at);
    const [file] = await client.query("SHOW BINARY LOGS");
    const resume = { lineage: "somebody-else", file: String(file?.Log_name), pos: 4 };
    const input = await runInput(at, { databases: [db] }, { resume });
    expect((await input.fails()).message).toContain("somebody-else");
    client.close();
  });
});

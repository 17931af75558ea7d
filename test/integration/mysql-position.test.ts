import { describe, expect } from "bun:test";
import { mkdtempSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "#src/flow/position.ts";
import { type MysqlService, startMysql, useStarted } from "../services/index.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { waitFor } from "../support/index.ts";
import { killStreams, tableOn } from "../support/mysql-client.ts";
import { runInput } from "../support/mysql-input.ts";
import { tempDir } from "../support/temp-dir.ts";

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

const late = (what: string) => ({ what, timeoutMs: 30_000 });
const scratch = tempDir("position-lost");
const tempDirOf = () => mkdtempSync(join(scratch, "bus-"));

/** A dbusd of its own process that reads `db.a` into a file. */
function busOn(at: MysqlService, db: string, dir: string, onPositionLost: string) {
  const { host, port } = at;
  const config = {
    state: { dir: join(dir, "state") },
    bus: { checkpointIntervalMs: 50 },
    inputs: [
      {
        ...{ name: "in", plugin: "MysqlbinlogInput", host, port, user: "root", password: "" },
        ...{ databases: [db], start: "latest", onPositionLost },
      },
    ],
    outputs: [{ name: "lines", plugin: "StreamOutput", match: "in" }],
  };
  return startDaemonProcess({ dir, config });
}

async function linesIn(dir: string): Promise<{ rows: unknown[][] }[]> {
  const text = await readFile(join(dir, "state/lines/lines.ndjson"), "utf8");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

const got = async (daemon: DaemonProcess, what: string) =>
  (await (await fetch(`${daemon.adminUrl}/api/v1/${what}`)).json()) as unknown[];

async function statusOf(daemon: DaemonProcess) {
  const response = await fetch(`${daemon.adminUrl}/api/v1/stat`);
  const stat = (await response.json()) as { inputs: { lastError: { code: string } | null }[] };
  return stat.inputs[0];
}

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

  own.test("fault 4: a gap is durable, and told by API, metrics, status and log", async (all) => {
    const { client, db } = await tableOn(all.mysql);
    const dir = tempDirOf();
    const bus = (onPositionLost: string) => busOn(all.mysql, db, dir, onPositionLost);
    const first = await bus("fail");
    await waitFor(
      () => got(first, "checkpoints").then((found) => found.length > 0),
      late("a start"),
    );
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await waitFor(() => linesIn(dir).then((lines) => lines.length === 1), late("the first row"));
    expect(await first.stop()).toBe(0);
    await client.query(`INSERT INTO ${db}.a VALUES (2)`);
    await client.query("FLUSH BINARY LOGS");
    await client.query(`INSERT INTO ${db}.a VALUES (3)`);
    await killStreams(client);
    const newest = (await client.query("SHOW BINARY LOGS")).at(-1)?.Log_name;
    await client.query(`PURGE BINARY LOGS TO '${newest}'`);

    const stops = await bus("fail");
    const refused = async () => (await statusOf(stops))?.lastError?.code === "POSITION_LOST";
    await waitFor(refused, late("the stop"));
    expect([await got(stops, "gaps"), (await fetch(`${stops.adminUrl}/readyz`)).status]).toEqual([
      [],
      503,
    ]);
    stops.kill("SIGKILL");
    await stops.exited;

    const goesOn = await bus("earliest");
    await waitFor(() => linesIn(dir).then((lines) => lines.length === 2), late("what is left"));
    // Killed before its first checkpoint it would find the position lost once more, and say so.
    const committed = async () => JSON.stringify(await got(goesOn, "checkpoints"));
    await waitFor(async () => (await committed()).includes(`${newest}`), late("a checkpoint"));
    goesOn.kill("SIGKILL");
    await goesOn.exited;
    const again = await bus("earliest");
    await again.ready();
    const [gap, more] = (await got(again, "gaps")) as {
      reason: string;
      from: string;
      to: string;
    }[];
    expect([gap?.reason, more]).toEqual([expect.stringContaining("purged"), undefined]);
    expect(JSON.parse(gap?.to ?? "").file).toBe(newest as string);
    expect(JSON.parse(gap?.from ?? "").gtid).not.toBe("");
    const metrics = await (await fetch(`${again.adminUrl}/metrics`)).text();
    expect(metrics).toContain("\ndbus_gaps 1\n");
    const stat = await (await fetch(`${again.adminUrl}/api/v1/stat`)).json();
    expect(stat).toMatchObject({ gaps: 1 });
    expect(await again.log()).toContain("it is written down as a gap");
    expect((await linesIn(dir)).slice(0, 2).map(({ rows }) => rows[0]?.[0])).toEqual([1, 3]);
    expect(await again.stop()).toBe(0);
    client.close();
  });

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
    const lineages = [resume, ...healed.packets.map(({ position }) => position)].map(
      (position) => JSON.parse(JSON.stringify(position)).lineage,
    );
    expect(lineages).toEqual([lineages[0], `${lineages[0]}#2`]);
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

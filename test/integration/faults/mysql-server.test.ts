import { expect } from "bun:test";
import { readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "#src/flow/position.ts";
import { type MysqlService, startMysql, useStarted } from "../../services/index.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { seededRandom, testSeed, waitFor } from "../../support/index.ts";
import { clientAt, tableOn } from "../../support/mysql-client.ts";
import { positionsOf, type RunningInput, runInput } from "../../support/mysql-input.ts";
import { idsIn, steadyWriter } from "../../support/steady-writer.ts";

/** Servers of this file's own: they are killed, and their files are cut. */
const own = await useStarted("mysql and mariadb", async () => {
  const [mysql, mariadb] = await Promise.all([
    startMysql({ flavor: "mysql" }),
    startMysql({ flavor: "mariadb" }),
  ]);
  return { mysql, mariadb };
});

/** On both at once: what takes long here is waiting. */
function onBoth(name: string, run: (at: MysqlService) => Promise<void>): void {
  own.test(
    name,
    async ({ mysql, mariadb }) => {
      await Promise.all([run(mysql), run(mariadb)]);
    },
    120_000,
  );
}

const idsOf = (input: RunningInput) => input.rows().map(({ after }) => after?.[0]);

/** Waits until an input has everything that the table has, and compares. */
async function hasAllOf(input: RunningInput, at: MysqlService, table: string): Promise<void> {
  const ids = await idsIn(at, table);
  await input.rowsReach(ids.length);
  expect([at.flavor, idsOf(input)]).toEqual([at.flavor, ids]);
  expect(input.gaps).toEqual([]);
}

onBoth(
  "fault 1: a server that is killed under load loses, repeats and reorders nothing",
  async (at) => {
    const random = seededRandom(testSeed(`fault 1 on ${at.flavor}`));
    const { client, db } = await tableOn(at);
    client.close();
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    const writer = await steadyWriter(at, `${db}.a`, { random });
    for (let kill = 0; kill < 3; kill++) {
      const upTo = input.packets.length + random.int(30, 300);
      await input.rowsReach(upTo);
      const streams = input.states.length;
      at.kill("SIGKILL");
      await at.restart();
      await waitFor(() => input.states.slice(streams).includes(null), {
        what: "the stream after the kill",
        timeoutMs: 30_000,
      });
    }
    await input.rowsReach(input.packets.length + 50);
    await writer.stop();
    await hasAllOf(input, at, `${db}.a`);
    expect(input.states.filter((state) => state === null).length).toBeGreaterThanOrEqual(4);
    await input.stop();
  },
);

onBoth(
  "fault 5: of two readers with one id the older yields, says so and waits longer",
  async (at) => {
    const { client, db } = await tableOn(at);
    const config = { databases: [db], serverId: 4711, onPositionLost: "latest" };
    const older = await runInput(at, config);
    await older.streaming();
    const newer = await runInput(at, config);
    await newer.streaming();
    const yields = (one: RunningInput) =>
      one.states.filter((state) => state?.includes("another reader came with serverId 4711"));
    await waitFor(() => yields(older).length === 1, { what: "the older one to yield" });
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    await newer.rowsReach(1);
    expect(yields(newer)).toEqual([]);
    // It comes back, and is the newer one then: they take turns, and each has every row.
    await waitFor(() => yields(newer).length === 1, { what: "its return", timeoutMs: 20_000 });
    await client.query(`INSERT INTO ${db}.a VALUES (2)`);
    await older.rowsReach(2);
    await newer.stop();
    await client.query(`INSERT INTO ${db}.a VALUES (3)`);
    await older.rowsReach(3);
    expect([idsOf(older), idsOf(newer)]).toEqual([[1, 2, 3], [1]]);
    expect([older.gaps, newer.gaps]).toEqual([[], []]);
    expect([yields(older).length, older.ended]).toEqual([1, undefined]);
    await older.stop();
    client.close();
  },
);

/** Kills the server and cuts its newest binlog file, as a lost machine does without `sync_binlog`. */
async function loseTail(at: MysqlService, bytes: number): Promise<void> {
  const { pid } = at;
  at.kill("SIGKILL");
  const gone = () => !readdirSync("/proc").includes(String(pid));
  await waitFor(gone, { what: "the server to be gone" });
  const files = readdirSync(at.dir).filter((name) => /^binlog\.\d+$/.test(name));
  truncateSync(join(at.dir, files.sort().at(-1)!), bytes);
  await at.restart();
}

for (const gtid of ["auto", "off"]) {
  const by = gtid === "off" ? "by file and offset" : "by GTID";
  onBoth(`fault 6: a server that lost the end of its binlog is noticed, ${by}`, async (at) => {
    const { client, db } = await tableOn(at);
    const config = { databases: [db], gtid };
    const stops = await runInput(at, config);
    const goesOn = await runInput(at, { ...config, onPositionLost: "earliest" });
    const skips = await runInput(at, { ...config, onPositionLost: "latest" });
    const all = [stops, goesOn, skips];
    for (const input of all) await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1)`);
    const kept = Number((await client.query("SHOW BINARY LOGS")).at(-1)?.File_size);
    await client.query(`INSERT INTO ${db}.a VALUES (2)`);
    await client.query(`INSERT INTO ${db}.a VALUES (3)`);
    for (const input of all) await input.rowsReach(3);
    await waitFor(() => all.every((input) => input.idles.length > 3), { what: "its end" });
    const read = JSON.parse(JSON.stringify(stops.idles.at(-1))) as { file: string; pos: number };
    client.close();
    await loseTail(at, kept);
    const again = await clientAt(at);
    await again.query(`INSERT INTO ${db}.a VALUES (4)`);
    const error = await stops.fails();
    expect([error.code, error.kind]).toEqual(["POSITION_LOST", "fatal"]);
    expect(error.message).toContain(`${read.file} ends at`);
    // What was read of the lost end may have been undone: that is what the gap is for.
    await goesOn.rowsReach(4);
    await waitFor(() => skips.states.at(-1) === null, { what: "its stream" });
    await again.query(`INSERT INTO ${db}.a VALUES (5)`);
    await goesOn.rowsReach(5);
    await waitFor(() => idsOf(skips).includes(5), { what: "what comes next" });
    expect(idsOf(goesOn)).toEqual([1, 2, 3, 4, 5]);
    for (const input of [goesOn, skips]) {
      const [gap, more] = input.gaps as { from: Json; to: Json; reason: string }[];
      expect([gap?.from, more]).toEqual([expect.objectContaining({ file: read.file }), undefined]);
      expect(gap?.to).not.toMatchObject({ file: read.file });
      expect(gap?.reason).toContain("lost or reset what was read from it");
      await input.stop();
    }
    again.close();
  });
}

/** File, offset and rows of a position, to be compared. */
function placeOf(position: unknown): [number, number, number] {
  const at = JSON.parse(JSON.stringify(position)) as { file: string; pos: number; rows: number };
  return [Number(at.file.split(".").at(-1)), at.pos, at.rows];
}

function neverBack(positions: readonly unknown[]): void {
  const places = positions.map(placeOf);
  const key = ([file, pos, rows]: [number, number, number]) => (file * 2 ** 32 + pos) * 1e4 + rows;
  const back = places.findIndex((place, n) => n > 0 && key(place) < key(places[n - 1]!));
  expect(places.slice(Math.max(0, back - 1), back + 1)).toEqual([]);
}

onBoth(
  "fault 13: rotations and reconnects together move the position forward alone",
  async (at) => {
    const random = seededRandom(testSeed(`fault 13 on ${at.flavor}`));
    const { client, db } = await tableOn(at);
    const proxy = await faultProxy(at, { seed: 13 });
    const input = await runInput(proxy, { databases: [db] });
    await input.streaming();
    const begun = input.idles.length;
    await client.query("FLUSH BINARY LOGS");
    // A rotation alone moves it: a checkpoint must not hold a file that may be purged.
    await waitFor(() => input.idles.length > begun, { what: "the position behind the rotation" });
    const [before, after] = [input.idles[begun - 1], input.idles.at(-1)].map(placeOf);
    expect(after![0]).toBe(before![0] + 1);
    const between = async () => {
      if (random.chance(0.2)) await client.query("FLUSH BINARY LOGS");
    };
    const writer = await steadyWriter(at, `${db}.a`, { random, between, rowsMax: 9 });
    for (let cut = 0; cut < 4; cut++) {
      await input.rowsReach(input.packets.length + random.int(20, 120));
      const streams = input.states.length;
      proxy.cut("reset");
      await waitFor(() => input.states.slice(streams).includes(null), { what: "a new stream" });
    }
    await input.rowsReach(input.packets.length + 20);
    await writer.stop();
    await hasAllOf(input, at, `${db}.a`);
    neverBack(input.idles);
    neverBack(input.packets.map(({ position }) => position));
    const files = new Set(input.packets.map(({ position }) => placeOf(position)[0]));
    expect(files.size).toBeGreaterThan(5);
    await input.stop();
    const ids = idsOf(input);
    for (const n of [0, 1, 2].map(() => random.int(0, ids.length - 2))) {
      const resumed = await runInput(at, { databases: [db] }, { resume: positionsOf(input)[n]! });
      await resumed.rowsReach(ids.length - n - 1);
      expect([n, idsOf(resumed)]).toEqual([n, ids.slice(n + 1)]);
      await resumed.stop();
    }
    await proxy.close();
    client.close();
  },
);

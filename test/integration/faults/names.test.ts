import { expect, test } from "bun:test";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { MysqlConnection } from "#src/clients/mysql/connection.ts";
import { type MysqlAddress, useServices } from "../../services/index.ts";
import { type DaemonProcess, startDaemonProcess } from "../../support/daemon-process.ts";
import { waitFor } from "../../support/index.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { kafkaWitness } from "../../support/kafka-topic.ts";
import { clientAt } from "../../support/mysql-client.ts";
import { startText } from "../../support/sample-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";

const services = await useServices("mysql", "mariadb", "kafka");
const scratch = tempDir("names");

const quoted = (name: string) => `\`${name.replaceAll("`", "``")}\``;

/** Names that mean something in SQL, JSON, JavaScript, paths, URLs, logs, topics or templates. */
const names = [
  ...["back`tick", "it's", 'say "hi"', "semi;colon -- #", "a`; DROP TABLE x; -- "],
  ...["line\nbreak", 'x\n{"level":"error"}', "tab\tbed", "esc\u001b[31m", "par\u2028para"],
  ...["__proto__", "constructor", "toString", "../../up", "..", "a/b", "..%2f", "a\\b"],
  ...["${db}", "${tbl}.x", "a.b", "*", "select", "1e3", "☃ snow", "näme 名前", "x".repeat(64)],
].map((name) => name.replace(/ +$/, ""));

const databases = ["names `1`", "__proto__", "../na\nmes", "in.binlog", "☃".repeat(20)];

/** All names in the first database, a few of them in the others. */
const tables = databases.flatMap((db, n) =>
  (n === 0 ? names : names.slice(4, 12)).map((name): readonly [string, string] => [db, name]),
);

type Line = {
  readonly db: string;
  readonly tbl: string;
  readonly cols: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
};

async function linesOf(dir: string): Promise<Line[]> {
  const text = await readFile(join(dir, "state/lines/lines.ndjson"), "utf8").catch(() => "");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

function configOf(at: MysqlAddress, bootstrap: string, dir: string, prefix: string) {
  return {
    state: { dir: join(dir, "state") },
    bus: { checkpointIntervalMs: 50 },
    log: { level: "debug", format: "json" },
    inputs: [
      {
        ...{ name: "binlog", plugin: "MysqlbinlogInput", host: at.host, port: at.port },
        ...{ user: "root", password: "", databases, start: "latest" },
      },
    ],
    filters: [
      {
        ...{ name: "by-table", plugin: "MysqlbinlogFilter", match: "binlog" },
        rules: [{ table: "nowhere", ident: "lost.${db}.${tbl}" }, { ident: "t.${db}.${tbl}" }],
      },
    ],
    outputs: [
      { name: "lines", plugin: "StreamOutput", match: "t.*" },
      {
        ...{ name: "kafka", plugin: "KafkaOutput", match: "t.*", brokers: [bootstrap] },
        ...{ topic: `${prefix}.\${db}.\${tbl}`, format: "debezium" },
        createTopics: { partitions: 1, replicationFactor: 1 },
      },
    ],
  };
}

/** A column is called as its table is. */
async function makeTables(client: MysqlConnection): Promise<void> {
  for (const db of databases) {
    await client.query(`DROP DATABASE IF EXISTS ${quoted(db)}`);
    await client.query(`CREATE DATABASE ${quoted(db)}`);
  }
  for (const [db, name] of tables) {
    const columns = `id INT PRIMARY KEY, ${quoted(name)} VARCHAR(2000)`;
    await client.query(`CREATE TABLE ${quoted(db)}.${quoted(name)} (${columns})`);
  }
}

async function everyTable(client: MysqlConnection, row: string): Promise<void> {
  for (const [db, name] of tables) {
    const into = `${quoted(db)}.${quoted(name)} (id, ${quoted(name)})`;
    await client.query(`INSERT INTO ${into} VALUES ${row}`);
  }
}

async function got<T>(daemon: DaemonProcess, path: string): Promise<T> {
  return (await fetch(`${daemon.adminUrl}${path}`)).json() as Promise<T>;
}

/** Starts dbusd and waits until it knows where it reads from. */
async function start(config: Readonly<Record<string, unknown>>, dir: string) {
  const daemon = await startDaemonProcess({ dir, config });
  await daemon.ready();
  const known = async () => (await got<unknown[]>(daemon, "/api/v1/checkpoints")).length > 0;
  await waitFor(known, { what: "a checkpoint", timeoutMs: 30_000 });
  return daemon;
}

/** What was written to the file so far, as soon as there is so much of it. */
async function reach(daemon: DaemonProcess, dir: string, count: number): Promise<void> {
  const enough = async () => (await linesOf(dir)).length >= count;
  await waitFor(enough, { what: `${count} lines`, timeoutMs: 30_000 }).catch(async (cause) => {
    throw new Error(`${cause.message}; the log ends:\n${(await daemon.log()).slice(-2_000)}`);
  });
}

const plain = (name: string) => name.replace(/[^a-zA-Z0-9._-]/g, "_");

async function throughTheBus(at: MysqlAddress, bootstrap: string): Promise<void> {
  const client = await clientAt(at);
  await makeTables(client);
  const dir = join(scratch, at.flavor);
  await mkdir(dir);
  const prefix = `names-${at.flavor}-${crypto.randomUUID().slice(0, 8)}`;
  const config = configOf(at, bootstrap, dir, prefix);
  const first = await start(config, dir);
  await everyTable(client, "(1, 'one')");
  await reach(first, dir, tables.length);
  expect(await first.stop()).toBe(0);
  // What was learnt of them lasts: a table is altered while nobody reads.
  const [altered, old] = tables.at(-1)!;
  await client.query(`INSERT INTO ${quoted(altered)}.${quoted(old)} VALUES (3, 'old')`);
  await client.query(`ALTER TABLE ${quoted(altered)}.${quoted(old)} ADD more INT DEFAULT 7`);
  const second = await start(config, dir);
  await everyTable(client, "(2, 'two')");
  await reach(second, dir, 2 * tables.length + 1);
  const metrics = await (await fetch(`${second.adminUrl}/metrics`)).text();
  const letters = await got<Letter[]>(second, "/api/v1/deadletters?limit=1000");
  const { id, ident } = letters[0]!;
  const { packet } = await got<{ packet: Kept }>(second, `/api/v1/deadletters/${id}`);
  expect(await second.stop()).toBe(0);

  const shown = (await linesOf(dir)).map(({ db, tbl, cols, rows }) => [db, tbl, cols, rows]);
  const rowOf = (row: readonly unknown[]) =>
    tables.map(([db, name]) => [db, name, ["id", name], [row]]);
  const two = rowOf([2, "two"]);
  two[two.length - 1] = [altered, old, ["id", old, "more"], [[2, "two", 7]]];
  const between = [altered, old, ["id", old], [[3, "old"]]];
  expect(shown).toEqual([...rowOf([1, "one"]), between, ...two]);

  await inKafka(bootstrap, prefix, letters);
  const { db: keptDb, name: keptName, columns } = packet.payload.table;
  expect([ident, columns[1]?.name]).toEqual([`t.${keptDb}.${keptName}`, keptName]);
  // Names of data are no labels, and no line of the log is broken or coloured by one.
  for (const name of ["proto", "DROP TABLE", "names `1`", "☃"]) expect(metrics).not.toContain(name);
  const log = (await second.log()).trimEnd().split("\n");
  for (const line of log) expect(JSON.parse(line)).toHaveProperty("level");
  expect(log.some((line) => line.includes("\u001b") || line.includes("\u2028"))).toBe(false);
  // Nothing was run that a name says.
  for (const db of databases) {
    const there = await client.query(`SHOW TABLES FROM ${quoted(db)}`);
    expect([db, there.length]).toEqual([db, tables.filter(([of]) => of === db).length]);
  }
  client.close();
}

/** A dead letter's packet, as far as it is looked at here. */
type Kept = {
  readonly payload: {
    readonly table: {
      readonly db: string;
      readonly name: string;
      readonly columns: readonly { readonly name: string }[];
    };
  };
};

type Letter = {
  readonly id: number;
  readonly ident: string;
  readonly code: string;
  readonly reason: string;
};

/** Each table in a topic of its own, and two that Kafka cannot tell apart with their reason. */
async function inKafka(bootstrap: string, prefix: string, letters: readonly Letter[]) {
  const codes = new Set(letters.map(({ code }) => code));
  expect([...codes].sort()).toEqual(["KAFKA_TOPIC_COLLISION", "KAFKA_TOPIC_INVALID"]);
  const refused = new Set(letters.map(({ ident }) => ident));
  const arrived = tables.filter(([db, name]) => !refused.has(`t.${db}.${name}`));
  expect(arrived.length).toBeGreaterThan(tables.length - 4);
  const witness = await kafkaWitness(bootstrap);
  for (const [db, name] of arrived) {
    const topic = `${prefix}.${plain(db)}.${plain(name)}`;
    const more = db === tables.at(-1)![0] && name === tables.at(-1)![1] ? 1 : 0;
    expect([topic, await witness.readable(topic)]).toEqual([topic, 2 + more]);
  }
  await witness.close();
  for (const [db, name] of [arrived[5]!, arrived[10]!]) {
    const records = await readTopic(bootstrap, `${prefix}.${plain(db)}.${plain(name)}`);
    const [value] = records.map((record) => JSON.parse(`${record.value}`));
    expect([value.source.db, value.source.table]).toEqual([db, name]);
    expect(Object.entries(value.after)).toEqual([
      ["id", 1],
      [name, "one"],
    ]);
  }
}

services.test(
  "fault 100: names of every kind arrive as they are, and nothing runs what they say (mysql)",
  ({ mysql, kafka }) => throughTheBus(mysql, kafka.bootstrap),
  120_000,
);

services.test(
  "fault 100: names of every kind arrive as they are, and nothing runs what they say (mariadb)",
  ({ mariadb, kafka }) => throughTheBus(mariadb, kafka.bootstrap),
  120_000,
);

services.test(
  "fault 103: databases named as inputs, filters, outputs and plugins go where the config says",
  async ({ mysql }) => {
    const named = ["binlog", "by-db", "lines", "all", "MysqlbinlogInput", "in.binlog", "t.x", "*"];
    const client = await clientAt(mysql);
    const { host, port } = mysql;
    const server = { host, port, user: "root", password: "", start: "latest" };
    const bus = await startText(
      JSON.stringify({
        inputs: [{ name: "binlog", plugin: "MysqlbinlogInput", ...server, databases: named }],
        filters: [
          {
            ...{ name: "by-db", plugin: "MysqlbinlogFilter", match: "binlog" },
            rules: [{ ident: "t.${db}" }],
          },
        ],
        outputs: [
          { name: "lines", plugin: "StreamOutput", match: "t.*" },
          { name: "all", plugin: "StreamOutput", match: "binlog" },
        ],
      }),
    );
    await waitFor(() => bus.input("binlog").lagSeconds !== null, { what: "the stream" });
    for (const db of named) {
      await client.query(`DROP DATABASE IF EXISTS ${quoted(db)}`);
      await client.query(`CREATE DATABASE ${quoted(db)}`);
      await client.query(`CREATE TABLE ${quoted(db)}.t (id INT PRIMARY KEY)`);
      await client.query(`INSERT INTO ${quoted(db)}.t VALUES (1)`);
    }
    for (const output of ["lines", "all"]) {
      const lines = await waitFor(
        async () => {
          const found = (await bus.lines(output)) as Line[];
          return found.length >= named.length && found;
        },
        { what: `what ${output} gets`, timeoutMs: 30_000 },
      );
      expect([output, lines.map(({ db }) => db)]).toEqual([output, named]);
    }
    const { unrouted } = bus.daemon.admin.stat();
    expect([bus.input("binlog").packets, unrouted.packets]).toEqual([named.length, 0]);
    expect(await bus.end()).toBe(0);
    for (const db of named) await client.query(`DROP DATABASE ${quoted(db)}`);
    client.close();
  },
);

test("fault 103: a filter to which a database's name could lead back is refused when it is loaded", async () => {
  const input = { name: "binlog", plugin: "MockInput" };
  const filter = { name: "by-db", plugin: "MysqlbinlogFilter", match: "binlog" };
  const text = (ident: string) =>
    JSON.stringify({
      inputs: [input],
      filters: [{ ...filter, rules: [{ ident }] }],
      outputs: [{ name: "lines", plugin: "MockOutput", match: "*" }],
    });
  await expect(startText(text("${db}"))).rejects.toThrow(/a cycle: by-db -> by-db/);
});

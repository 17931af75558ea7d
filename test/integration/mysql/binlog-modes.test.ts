import { expect } from "bun:test";
import type { RowChange } from "#src/flow/packet.ts";
import { JsonText } from "#src/flow/packet.ts";
import { useStarted } from "../../services/index.ts";
import { readBinlog } from "../../support/binlog-rows.ts";
import { same, spell } from "../../support/golden.ts";
import { type RecordingServer, startRecording } from "../../support/recording-server.ts";
import { askSql, typeZoo, zooStatements } from "../../support/type-zoo.ts";

function shown(rows: readonly RowChange[]): string[] {
  return rows.map(({ op, table, before, after }) => {
    const images = [before, after].map((image) =>
      image?.map((value) => (value instanceof JsonText ? value.text : String(value))).join(),
    );
    return `${op} ${table.name} ${images.filter((image) => image !== undefined).join(" -> ")}`;
  });
}

const mysql = await useStarted("mysql", () => startRecording("mysql"));
const mariadb = await useStarted("mariadb", () => startRecording("mariadb"));

/** From here on the binlog of the server carries the names. */
async function withNames(server: RecordingServer): Promise<void> {
  await server.db.query("SET GLOBAL binlog_row_metadata = FULL");
}

for (const [flavor, own] of [
  ["mysql", mysql],
  ["mariadb", mariadb],
] as const) {
  own.test(`${flavor}: without names in the binlog they come from the schema`, async (server) => {
    const path = await server.record(zooStatements(flavor, "zoo_plain"));
    const schema = await server.schemas("zoo_plain");
    const zoo = typeZoo(flavor);
    const answers = await server.ask(`SELECT ${zoo.map(askSql).join(", ")} FROM zoo ORDER BY id`);
    const rows = await readBinlog(path, { flavor, schema });
    expect(rows.length).toBe(answers.length);
    const wrong = answers.flatMap((answer, r) =>
      zoo.filter(({ ask, type }, c) => {
        return !same(answer[c]!, spell(rows[r]!.after![c + 1], ask), ask, type === "float");
      }),
    );
    expect(wrong.map(({ name }) => name)).toEqual([]);
    expect(rows[0]!.table.columns.map(({ name }) => name)).toEqual([
      "id",
      ...zoo.map(({ name }) => name),
    ]);
    expect(rows[0]!.table.primaryKey).toEqual([0]);
  });

  own.test(`${flavor}: an altered table is not given its new names`, async (server) => {
    const path = await server.record([
      "CREATE DATABASE late",
      "CREATE TABLE late.t (a int, b varchar(10))",
      "INSERT INTO late.t VALUES (1, 'x')",
      "ALTER TABLE late.t MODIFY b varchar(20)",
    ]);
    const schema = await server.schemas("late");
    await expect(readBinlog(path, { flavor, schema })).rejects.toMatchObject({
      code: "SCHEMA_UNKNOWN",
    });
  });

  own.test(`${flavor}: minimal images leave out what they do not carry`, async (server) => {
    const path = await server.record([
      "CREATE DATABASE little",
      "CREATE TABLE little.t (id int primary key, a int, b varchar(10), c blob)",
      "SET SESSION binlog_row_image = MINIMAL",
      "INSERT INTO little.t (id, b) VALUES (1, 'x')",
      "UPDATE little.t SET a = NULL, b = 'y' WHERE id = 1",
      "DELETE FROM little.t WHERE id = 1",
      "SET SESSION binlog_row_image = NOBLOB",
      "INSERT INTO little.t VALUES (2, 2, 'z', 'blob')",
      "UPDATE little.t SET a = 3 WHERE id = 2",
      "SET SESSION binlog_row_image = FULL",
    ]);
    const rows = await readBinlog(path, { flavor, schema: await server.schemas("little") });
    expect(rows.map(({ before }) => before)).toEqual([
      undefined,
      [1, undefined, undefined, undefined],
      [1, undefined, undefined, undefined],
      undefined,
      [2, 2, "z", undefined],
    ]);
    const after = rows.map((row) => row.after);
    expect(after[0]!.slice(0, 3)).toEqual([1, undefined, "x"]);
    expect([null, undefined]).toContain(after[1]![1] as null);
    expect(after[1]![2]).toBe("y");
    expect(after[2]).toBeUndefined();
    expect(after[4]).toEqual([2, 3, "z", undefined]);
  });

  own.test(
    `${flavor}: transactions of every make have their rows and their end`,
    async (server) => {
      const path = await server.record([
        "CREATE DATABASE ways",
        "USE ways",
        "CREATE TABLE t (id int primary key)",
        "INSERT INTO t VALUES (1), (2)",
        "CREATE TABLE copy AS SELECT * FROM t",
        "BEGIN",
        "INSERT INTO t VALUES (3)",
        "SAVEPOINT s",
        "INSERT INTO t VALUES (4)",
        "ROLLBACK TO s",
        "UPDATE t SET id = id + 10",
        "COMMIT",
        "BEGIN",
        "INSERT INTO t VALUES (99)",
        "ROLLBACK",
        "CREATE TABLE plain (a int) ENGINE=MyISAM",
        "INSERT INTO plain VALUES (7)",
        "TRUNCATE TABLE plain",
      ]);
      const rows = await readBinlog(path, { flavor, schema: await server.schemas("ways") });
      const expected = ["I t 1", "I t 2", "I copy 1", "I copy 2", "I t 3"];
      const updates = ["U t 1 -> 11", "U t 2 -> 12", "U t 3 -> 13"];
      expect(shown(rows).slice(0, 5)).toEqual(expected);
      expect(shown(rows).slice(5, 8).sort()).toEqual(updates);
      expect(shown(rows).slice(8)).toEqual(["I plain 7"]);
      const gtids = [...new Set(rows.map(({ txn }) => txn.gtid))];
      expect(gtids.length).toBe(4);
      const ordinals = rows.map(({ ordinal }) => ordinal);
      expect(ordinals).toEqual([0, 1, 0, 1, 0, 1, 2, 3, 0]);
    },
  );

  own.test(`${flavor}: a binlog without checksums is read too`, async (server) => {
    await server.db.query("SET GLOBAL binlog_checksum = NONE");
    const path = await server.record([
      "CREATE DATABASE bare",
      "CREATE TABLE bare.t (id int primary key)",
      "INSERT INTO bare.t VALUES (1), (2)",
    ]);
    await server.db.query("SET GLOBAL binlog_checksum = CRC32");
    const rows = await readBinlog(path, { flavor, schema: await server.schemas("bare") });
    expect(shown(rows)).toEqual(["I t 1", "I t 2"]);
  });

  own.test(`${flavor}: a row of 20 MB comes whole`, async (server) => {
    const path = await server.record([
      "CREATE DATABASE large",
      "CREATE TABLE large.t (id int primary key, b longblob)",
      "INSERT INTO large.t VALUES (1, REPEAT(0xAB, 20 * 1024 * 1024))",
    ]);
    const [row] = await readBinlog(path, { flavor, schema: await server.schemas("large") });
    const bytes = row!.after![1] as Uint8Array;
    expect(bytes.length).toBe(20 * 1024 * 1024);
    expect(bytes.every((byte) => byte === 0xab)).toBe(true);
  });
}

mariadb.test(
  "compressed columns of MariaDB stop with a code, or are left out with their table",
  async (server) => {
    const types = ["varchar(50) COMPRESSED", "blob COMPRESSED"];
    for (const [i, type] of types.entries()) {
      const path = await server.record([
        "CREATE DATABASE IF NOT EXISTS alone",
        `CREATE TABLE alone.t${i} (a int unsigned, b ${type}, c varchar(9) CHARSET latin1)`,
        `INSERT INTO alone.t${i} VALUES (7, 'abc', 'é'), (8, NULL, NULL)`,
        "CREATE TABLE IF NOT EXISTS alone.other (a int)",
        "INSERT INTO alone.other VALUES (3)",
      ]);
      const schema = await server.schemas("alone");
      await expect(readBinlog(path, { flavor: "mariadb", schema })).rejects.toMatchObject({
        code: "BINLOG_TYPE_UNSUPPORTED",
        place: { path: expect.anything() },
      });
      const filter = (_: string, table: string) => table === "other";
      const others = await readBinlog(path, { flavor: "mariadb", schema, filter });
      expect(shown(others)).toEqual(["I other 3"]);
    }
  },
);

mysql.test("compressed transactions have the same rows as plain ones", async (server) => {
  await withNames(server);
  const work = [
    "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    "UPDATE t SET s = REPEAT(s, 100)",
    "DELETE FROM t",
  ];
  const plain = await server.record([
    "CREATE DATABASE zip",
    "USE zip",
    "CREATE TABLE t (id int primary key, s text)",
    ...work,
  ]);
  const packed = await server.record([
    "SET SESSION binlog_transaction_compression = ON",
    ...work,
    "SET SESSION binlog_transaction_compression = OFF",
  ]);
  const rows = await readBinlog(packed, { flavor: "mysql" });
  expect(shown(rows)).toEqual(shown(await readBinlog(plain, { flavor: "mysql" })));
  expect(rows.map(({ ordinal }) => ordinal)).toEqual([0, 1, 0, 1, 0, 1]);
  expect(new Set(rows.map(({ txn }) => txn.gtid)).size).toBe(3);
});

mysql.test("GTIDs with a tag are read as the server shows them", async (server) => {
  await withNames(server);
  const path = await server.record([
    "CREATE DATABASE tags",
    "USE tags",
    "CREATE TABLE t (id int primary key)",
    "SET gtid_next = 'AUTOMATIC:blue'",
    "INSERT INTO t VALUES (1)",
    "INSERT INTO t VALUES (2)",
    "SET gtid_next = 'AUTOMATIC'",
  ]);
  const rows = await readBinlog(path, { flavor: "mysql" });
  const [[uuid]] = (await server.ask("SELECT @@server_uuid")) as [[string]];
  expect(rows.map(({ txn }) => txn.gtid)).toEqual([`${uuid}:blue:1`, `${uuid}:blue:2`]);
});

mysql.test(
  "what is logged as a statement or as a difference stops with its code",
  async (server) => {
    await withNames(server);
    const statement = await server.record([
      "CREATE DATABASE odd",
      "USE odd",
      "CREATE TABLE t (id int primary key, j json)",
      "SET SESSION binlog_format = STATEMENT",
      "INSERT INTO t VALUES (1, '{}')",
      "SET SESSION binlog_format = ROW",
    ]);
    await expect(readBinlog(statement, { flavor: "mysql" })).rejects.toMatchObject({
      code: "MYSQL_BINLOG_FORMAT",
    });
    const partial = await server.record([
      `INSERT INTO t VALUES (2, JSON_OBJECT('a', REPEAT('x', 1000), 'b', 1))`,
      "SET SESSION binlog_row_value_options = PARTIAL_JSON",
      "UPDATE t SET j = JSON_SET(j, '$.b', 2) WHERE id = 2",
      "SET SESSION binlog_row_value_options = ''",
    ]);
    await expect(readBinlog(partial, { flavor: "mysql" })).rejects.toMatchObject({
      code: "BINLOG_EVENT_UNSUPPORTED",
    });
  },
);

mariadb.test("MariaDB's compressed events have the same rows as plain ones", async (server) => {
  await withNames(server);
  const work = [
    "INSERT INTO t VALUES (1, REPEAT('a', 2000)), (2, REPEAT('é', 3000))",
    "UPDATE t SET s = REPEAT('b', 4000)",
    "DELETE FROM t",
  ];
  const plain = await server.record([
    "CREATE DATABASE zip",
    "USE zip",
    "CREATE TABLE t (id int primary key, s text)",
    ...work,
  ]);
  await server.db.query("SET GLOBAL log_bin_compress_min_len = 10, log_bin_compress = ON");
  const packed = await server.record(work);
  await server.db.query("SET GLOBAL log_bin_compress = OFF");
  const rows = await readBinlog(packed, { flavor: "mariadb" });
  expect(shown(rows)).toEqual(shown(await readBinlog(plain, { flavor: "mariadb" })));
  const types = (await Bun.file(packed).bytes()).length;
  expect(types).toBeLessThan((await Bun.file(plain).bytes()).length);
});

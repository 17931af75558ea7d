import { afterAll, expect } from "bun:test";
import { noSchema } from "#src/clients/mysql/binlog/schema-lookup.ts";
import type { RowChange } from "#src/flow/packet.ts";
import type { Json } from "#src/flow/position.ts";
import { useStarted } from "../../services/index.ts";
import { readBinlog } from "../../support/binlog-rows.ts";
import { runInput } from "../../support/mysql-input.ts";
import { type Random, seededRandom, testSeed } from "../../support/random.ts";
import { startRecording } from "../../support/recording-server.ts";

const mariadb = await useStarted("mariadb", () => startRecording("mariadb"));

const setMetadata = (mode: string) => `SET GLOBAL binlog_row_metadata = ${mode}`;
const dashed = (hex: string) =>
  hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "'$1-$2-$3-$4-$5'");

/** Bytes of which many are zero, also at the end. */
function sparse(random: Random, length: number): Buffer {
  const bytes = Buffer.from(random.bytes(length));
  for (let i = 0; i < length; i++) if (random.chance(0.3)) bytes[i] = 0;
  return random.chance(0.2) ? bytes.fill(0, random.int(0, length)) : bytes;
}

/** A UUID of any version, with the variant that the server takes with each. */
function uuid(random: Random): string {
  const bytes = sparse(random, 16);
  bytes[6] = (bytes[6]! & 15) | (random.int(0, 7) << 4);
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return dashed(bytes.toString("hex"));
}

function inet6(random: Random): string {
  const words = Array.from({ length: 8 }, () => random.pick([0, 0, 0, 1, 0xab, 0xffff, 0xfedc]));
  return `'${words.map((word) => word.toString(16)).join(":")}'`;
}

const known = {
  u: ["'f81d4fae-7dec-11d0-a765-00a0c91e6b00'", "'00000000-0000-0000-0000-000000000000'", "NULL"],
  a6: ["'::'", "'::1'", "'::1.2.3.4'", "'::ffff:1.2.3.4'", "'1::'", "'1:0:2:0:0:3:0:0'", "NULL"],
  a4: ["'0.0.0.0'", "'1.2.3.0'", "'255.255.255.255'", "NULL"],
};

for (const mode of ["FULL", "MINIMAL", "NO_LOG"]) {
  mariadb.test(
    `UUID and INET columns are as the server shows them, with ${mode}`,
    async (server) => {
      const random = seededRandom(testSeed(`mariadb types ${mode}`));
      const db = `hidden_${mode.toLowerCase()}`;
      const rows = Array.from({ length: 300 }, (_, i) => {
        const u = known.u[i] ?? uuid(random);
        const a6 = known.a6[i] ?? inet6(random);
        const a4 = known.a4[i] ?? `'${[...sparse(random, 4)].join(".")}'`;
        return `(${i}, ${u}, 0x${sparse(random, 16).toString("hex")}, ${a6}, ${a4}, 0x61620000, 'é')`;
      });
      await server.db.query(setMetadata(mode));
      const path = await server.record([
        `CREATE DATABASE ${db}`,
        `CREATE TABLE ${db}.t (id int primary key, u uuid, b binary(16), a6 inet6, a4 inet4,
        b4 binary(4) not null, c char(16) character set latin1)`,
        `INSERT INTO ${db}.t VALUES ${rows.join(",")}`,
      ]);
      const answers = await server.ask(
        `SELECT CAST(u AS CHAR), HEX(b), CAST(a6 AS CHAR), CAST(a4 AS CHAR), HEX(b4), c
        FROM ${db}.t ORDER BY id`,
      );
      const schema = await server.schemas(db);
      const read = await readBinlog(path, { flavor: "mariadb", schema });
      expect(read.length).toBe(answers.length);
      const pairs = read.map(({ after }, i) => [shown(after?.slice(1)), answers[i]]);
      expect(pairs.filter(([is, should]) => !Bun.deepEquals(is, should)).slice(0, 3)).toEqual([]);
      expect(
        read[0]?.table.columns.map(({ kind, type }) => `${kind} ${type.split("(")[0]}`),
      ).toEqual(
        [
          "int int",
          "text uuid",
          "binary binary",
          "text inet6",
          "text inet4",
          "binary binary",
        ].concat("text char"),
      );
    },
  );
}

mariadb.test("DECIMAL has as many digits behind its point as MariaDB gives it", async (server) => {
  await server.db.query(setMetadata("FULL"));
  const path = await server.record([
    "CREATE DATABASE digits",
    "CREATE TABLE digits.t (a decimal(38,38), b decimal(65,38))",
    `INSERT INTO digits.t VALUES (0.${"1234567890".repeat(3)}12345678, -1.5),
      (-0.${"9".repeat(38)}, ${"8".repeat(27)}.${"7".repeat(38)})`,
  ]);
  const answers = await server.ask("SELECT CAST(a AS CHAR), CAST(b AS CHAR) FROM digits.t");
  const read = await readBinlog(path, { flavor: "mariadb" });
  expect(read.map(({ after }) => shown(after))).toEqual(answers);
});

mariadb.test(
  "times of before 10.1 are read, and with a fraction refused, never guessed",
  async (server) => {
    await server.db.query(setMetadata("NO_LOG"));
    await server.db.query("SET GLOBAL mysql56_temporal_format = OFF");
    const path = await server.record([
      "CREATE DATABASE aged",
      "CREATE TABLE aged.t (a time, b datetime, c timestamp null)",
      "INSERT INTO aged.t VALUES ('-12:34:56', '2026-11-23 01:02:03', NULL)",
    ]);
    const schema = await server.schemas("aged");
    const [row] = await readBinlog(path, { flavor: "mariadb", schema });
    expect(shown(row?.after)).toEqual(["-12:34:56", "2026-11-23 01:02:03", null]);
    for (const type of ["time(2)", "datetime(3)", "timestamp(4) null"]) {
      const fraction = await server.record([
        `CREATE OR REPLACE TABLE aged.u (a ${type})`,
        "INSERT INTO aged.u VALUES (NULL)",
      ]);
      const known = await server.schemas("aged");
      await expect(
        readBinlog(fraction, { flavor: "mariadb", schema: known }),
      ).rejects.toMatchObject({
        code: "BINLOG_TYPE_UNSUPPORTED",
      });
    }
    await server.db.query("SET GLOBAL mysql56_temporal_format = ON");
  },
);

function shown(values: RowChange["after"] | undefined): (string | null)[] | undefined {
  return values?.map((value) => {
    if (value === null) return null;
    if (!(value instanceof Uint8Array)) return String(value);
    return Buffer.from(value).toString("hex").toUpperCase();
  });
}

mariadb.test(
  "a file alone, with names and nobody to ask, gives the bytes as BINARY",
  async (server) => {
    await server.db.query(setMetadata("FULL"));
    const path = await server.record([
      "CREATE DATABASE hidden_file",
      "CREATE TABLE hidden_file.t (u uuid)",
      "INSERT INTO hidden_file.t VALUES ('f81d4fae-7dec-11d0-a765-00a0c91e6b00')",
    ]);
    const [row] = await readBinlog(path, { flavor: "mariadb", schema: noSchema });
    expect(row?.table.columns.map(({ kind, type }) => [kind, type])).toEqual([
      ["binary", "binary(16)"],
    ]);
    expect(shown(row?.after)).toEqual(["F81D4FAE7DEC11D0A76500A0C91E6B00"]);
  },
);

mariadb.test("a definition that does not fit what was logged is never believed", async (server) => {
  await server.db.query(setMetadata("FULL"));
  const path = await server.record([
    "CREATE DATABASE hidden_late",
    "CREATE TABLE hidden_late.t (a int, u uuid)",
    "INSERT INTO hidden_late.t VALUES (1, UUID())",
  ]);
  const changes = [
    "ALTER TABLE hidden_late.t RENAME COLUMN u TO v",
    "ALTER TABLE hidden_late.t DROP v, ADD u inet4",
    "ALTER TABLE hidden_late.t DROP u, ADD u uuid NOT NULL",
    "ALTER TABLE hidden_late.t MODIFY u uuid FIRST",
    "ALTER TABLE hidden_late.t ADD z int FIRST",
  ];
  await server.db.query("TRUNCATE TABLE hidden_late.t");
  for (const sql of changes) {
    await server.db.query(sql);
    const schema = await server.schemas("hidden_late");
    await expect(readBinlog(path, { flavor: "mariadb", schema })).rejects.toMatchObject({
      code: "SCHEMA_UNKNOWN",
      remedy: expect.stringContaining("schema: current"),
    });
  }
});

mariadb.test("with FULL the input knows a UUID from BINARY, or stops", async (server) => {
  const { db: client, port } = server;
  await client.query(setMetadata("FULL"));
  await client.query("CREATE DATABASE hidden_live");
  await client.query("CREATE TABLE hidden_live.old (id int primary key, u uuid, b binary(16))");
  const at = { host: "127.0.0.1", port };
  const config = { databases: ["hidden_live"] };
  const input = await runInput(at, config);
  afterAll(() => input.stop());
  await input.streaming();
  const text = "018f4fae-7dec-7100-8765-00a0c91e6b00";
  const values = `'${text}', 0x00112233445566778899aabbccddeeff`;
  await client.query(`INSERT INTO hidden_live.old VALUES (1, ${values})`);
  const [first] = await input.rowsReach(1);
  const start = JSON.parse(JSON.stringify(input.idles[0])) as Json;
  await client.query("CREATE TABLE hidden_live.young (id int primary key, u uuid)");
  await client.query(`INSERT INTO hidden_live.young VALUES (2, '${text}')`);
  await client.query("ALTER TABLE hidden_live.old MODIFY u binary(16), MODIFY b uuid");
  await client.query(`INSERT INTO hidden_live.old VALUES (3, 0x0011, '${text}')`);
  await client.query("DROP TABLE hidden_live.young");
  const rows = await input.rowsReach(3);
  await input.stop();
  expect(shown(first?.after)).toEqual(["1", text, "00112233445566778899AABBCCDDEEFF"]);
  expect(shown(rows[1]?.after)).toEqual(["2", text]);
  expect(shown(rows[2]?.after)).toEqual(["3", `0011${"0".repeat(28)}`, text]);

  // The second CREATE_TIME is of another second than the row.
  await client.query("DO SLEEP(1.1)");
  await client.query("ALTER TABLE hidden_live.old FORCE");
  const later = await runInput(at, config, { resume: start });
  const error = await later.fails();
  expect([error.code, later.packets.length]).toEqual(["SCHEMA_UNKNOWN", 0]);
  expect(error.remedy).toContain("schema: binlog");
  const plain = await runInput(at, { ...config, schema: "binlog" }, { resume: start });
  const read = await plain.rowsReach(3);
  await plain.stop();
  expect(shown(read[0]?.after)?.[1]).toBe(text.replaceAll("-", "").toUpperCase());
  await later.stop();
});

import { expect } from "bun:test";
import fc from "fast-check";
import { textReader } from "#src/clients/mysql/binlog/charset.ts";
import { charsetOfCollation } from "#src/clients/mysql/binlog/collation.ts";
import { useStarted } from "../../services/index.ts";
import { readBinlog } from "../../support/binlog-rows.ts";
import { same, spell } from "../../support/golden.ts";
import { type RecordingServer, startRecording } from "../../support/recording-server.ts";

const mysql = await useStarted("mysql", () =>
  startRecording("mysql", ["--binlog-row-metadata=FULL"]),
);
const mariadb = await useStarted("mariadb", () => startRecording("mariadb"));

const single =
  "dec8 cp850 hp8 koi8r latin1 latin2 swe7 ascii hebrew tis620 koi8u greek cp1250 latin5 armscii8 " +
  "cp866 keybcs2 macce macroman cp852 latin7 cp1251 cp1256 cp1257 geostd8";
const double = "big5 sjis cp932 gbk gb2312 gb18030 euckr ujis eucjpms";

/** U+FFFD and U+0000, as the server writes them for a character without a meaning. */
const nothing = ["EFBFBD", "00"];

function hex(...bytes: number[]): string {
  return Buffer.from(bytes).toString("hex").toUpperCase();
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** Byte sequences of one to four bytes that can be a character somewhere. */
function codesOf(charset: string): string[] {
  const one = range(0, 255).map((byte) => hex(byte));
  if (!double.includes(charset)) return one;
  const two = range(0x81, 0xfe).flatMap((lead) => range(0x30, 0xfe).map((next) => hex(lead, next)));
  const tails = range(0xa1, 0xfe);
  if (charset === "ujis" || charset === "eucjpms") {
    return [...one, ...two, ...tails.flatMap((b) => tails.map((c) => hex(0x8f, b, c)))];
  }
  if (charset !== "gb18030") return [...one, ...two];
  const four = [0x81, 0x82, 0x84, 0x90, 0xe3].flatMap((a) =>
    range(0x30, 0x39).flatMap((b) => range(0x81, 0xfe).map((c) => hex(a, b, c, 0x35))),
  );
  return [...one, ...two, ...four];
}

/** What the server makes of each code: null for what is no text, else UTF-8 in hexadecimal. */
async function serverTexts(
  server: RecordingServer,
  charset: string,
): Promise<(readonly [string, string | null])[]> {
  const codes = codesOf(charset);
  await server.db.query("CREATE TEMPORARY TABLE codes (b varbinary(4) primary key)");
  for (let i = 0; i < codes.length; i += 10_000) {
    const values = codes.slice(i, i + 10_000).map((code) => `(0x${code})`);
    await server.db.query(`INSERT INTO codes VALUES ${values.join()}`);
  }
  const answers = await server.ask(
    `SELECT HEX(b), HEX(CONVERT(CONVERT(b USING ${charset}) USING utf8mb4)) FROM codes`,
  );
  await server.db.query("DROP TEMPORARY TABLE codes");
  return answers.map(([code, text]) => [code!, text!] as const);
}

function ourText(charset: string, code: string): string | null {
  const bytes = Buffer.from(code, "hex");
  try {
    const text = textReader(charset)!(bytes, 0, bytes.length);
    return Buffer.from(text, "utf8").toString("hex").toUpperCase();
  } catch {
    return null;
  }
}

for (const charset of [...single.split(" "), ...double.split(" ")]) {
  mysql.test(`every ${charset} character is the server's own`, async (server) => {
    await server.db.query("CREATE DATABASE IF NOT EXISTS chars");
    await server.db.query("USE chars");
    const wrong: string[] = [];
    let checked = 0;
    for (const [code, text] of await serverTexts(server, charset)) {
      if (text === null || text === "") continue;
      // What the server cannot say in Unicode is an error to us.
      const unknown = /^(3F)+$/.test(text)
        ? code !== text
        : nothing.includes(text) && code !== text;
      const ours = ourText(charset, code);
      if (ours !== (unknown ? null : text)) wrong.push(`${code}: ${text} is not ${ours}`);
      checked++;
    }
    expect(wrong).toEqual([]);
    expect(checked).toBeGreaterThan(100);
  });
}

for (const [flavor, own] of [
  ["mysql", mysql],
  ["mariadb", mariadb],
] as const) {
  own.test(`every collation of ${flavor} has a character set that can be read`, async (server) => {
    const table = flavor === "mysql" ? "collations" : "collation_character_set_applicability";
    const answers = await server.ask(
      `SELECT id, character_set_name FROM information_schema.${table} WHERE id IS NOT NULL`,
    );
    expect(answers.length).toBeGreaterThan(200);
    for (const [id, name] of answers) {
      const charset = name === "utf8" ? "utf8mb3" : name;
      expect(`${id} ${charsetOfCollation(Number(id))}`).toBe(`${id} ${charset}`);
      if (charset !== "binary") expect(textReader(charset!)).toBeDefined();
    }
  });
}

mysql.test("any JSON document is what the server itself prints", async (server) => {
  const key = fc.string({ unit: "grapheme", maxLength: 12 });
  const leaf = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 40 }),
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n),
  );
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof({ depthSize: "medium", withCrossShrink: true }, leaf, tie("list"), tie("map")),
    list: fc.array(tie("node"), { maxLength: 12 }),
    map: fc.dictionary(key, tie("node"), { maxKeys: 12 }),
  }));
  const docs = fc.sample(node, { numRuns: 400, seed: 20_261_123 }).map(jsonOf);
  const values = docs.map((text, i) => server.db.format("(?, ?)", [i, text]));
  const path = await server.record([
    "CREATE DATABASE docs",
    "CREATE TABLE docs.t (id int primary key, j json)",
    "SET NAMES utf8mb4",
    `INSERT INTO docs.t VALUES ${values.join()}`,
  ]);
  const answers = await server.ask("SELECT CAST(j AS CHAR) FROM docs.t ORDER BY id");
  const rows = await readBinlog(path, { flavor: "mysql" });
  const wrong = answers.flatMap(([answer], i) => {
    const decoded = spell(rows[i]!.after![1], "json");
    return same(answer!, decoded, "json", false) ? [] : [`${answer} is not ${decoded}`];
  });
  expect(wrong).toEqual([]);
  expect(answers.length).toBe(400);
});

function jsonOf(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map(jsonOf).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, one]) => `${JSON.stringify(name)}:${jsonOf(one)}`,
  );
  return `{${members.join()}}`;
}

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { float } from "#src/clients/mysql/binlog/bytes.ts";
import { bytesPerChar, textReader } from "#src/clients/mysql/binlog/charset.ts";
import { parseMembers } from "#src/clients/mysql/binlog/column-def.ts";
import { decimalBytes, decimalReader } from "#src/clients/mysql/binlog/decimal.ts";
import { readJson } from "#src/clients/mysql/binlog/json.ts";
import { queryKind } from "#src/clients/mysql/binlog/query-kind.ts";
import { readOldDatetime, readOldTime } from "#src/clients/mysql/binlog/temporal.ts";
import { DbusError } from "#src/errors.ts";

/** MySQL's packed decimal, written down once more, the other way round. */
function packDecimal(text: string, precision: number, scale: number): Buffer {
  const negative = text.startsWith("-");
  const [whole = "", fraction = ""] = text.replace("-", "").split(".");
  const digits = whole.padStart(precision - scale, "0").slice(-(precision - scale) || undefined);
  const head = precision === scale ? "" : digits;
  const groups = [
    ...(head.length % 9 ? [head.slice(0, head.length % 9)] : []),
    ...(head.slice(head.length % 9).match(/.{9}/g) ?? []),
    ...(fraction.padEnd(scale, "0").match(/.{1,9}/g) ?? []),
  ];
  const size = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
  const bytes = groups.flatMap((group) => {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(Number(group));
    return [...out.subarray(4 - size[group.length]!)];
  });
  bytes[0] = bytes[0]! ^ 0x80;
  return Buffer.from(negative ? bytes.map((byte) => byte ^ 0xff) : bytes);
}

describe("values", () => {
  test("every decimal comes back digit by digit", () => {
    const shape = fc
      .integer({ min: 1, max: 65 })
      .chain((p) => fc.tuple(fc.constant(p), fc.integer({ min: 0, max: Math.min(30, p) })));
    const digit = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(
        shape,
        fc.boolean(),
        fc.infiniteStream(digit),
        ([precision, scale], minus, all) => {
          const digits = Array.from({ length: precision }, () => all.next().value).join("");
          const whole = digits.slice(0, precision - scale).replace(/^0+(?=\d)/, "") || "0";
          const fraction = digits.slice(precision - scale);
          const zero = /^0*$/.test(digits);
          const text = `${minus && !zero ? "-" : ""}${whole}${scale > 0 ? `.${fraction}` : ""}`;
          const packed = packDecimal(text, precision, scale);
          expect(packed.length).toBe(decimalBytes(precision, scale));
          expect(decimalReader(precision, scale)(packed, 0)).toBe(text);
        },
      ),
    );
  });

  test("a float is the shortest number that is that float", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const bytes = Buffer.alloc(4);
        bytes.writeFloatLE(value);
        const read = float(bytes, 0);
        expect(Object.is(Math.fround(read), value)).toBe(true);
        const digits = (n: number) => n.toExponential().replace(/e.*|[-.]/g, "").length;
        expect(digits(read)).toBeLessThanOrEqual(9);
        for (let d = 1; d < digits(read); d++) {
          expect(Math.fround(Number(value.toPrecision(d)))).not.toBe(value);
        }
      }),
    );
  });

  test("dates and times of servers before 5.6 are read too", () => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(20261123201459n);
    expect(readOldDatetime(bytes, 0)).toBe("2026-11-23 20:14:59");
    bytes.writeBigInt64LE(0n);
    expect(readOldDatetime(bytes, 0)).toBe("0000-00-00 00:00:00");
    bytes.writeIntLE(-8385959, 0, 3);
    expect(readOldTime(bytes, 0)).toBe("-838:59:59");
    bytes.writeIntLE(123456, 0, 3);
    expect(readOldTime(bytes, 0)).toBe("12:34:56");
  });

  test("text that is not valid in its character set is an error, never a replacement", () => {
    const wrong: [string, string][] = [
      ["utf8mb4", "61ff62"],
      ["utf8mb4", "eda080"],
      ["ascii", "80"],
      ["ucs2", "61"],
      ["utf16", "d800"],
      ["utf32", "00110000"],
      ["utf32", "6100"],
      ["gbk", "61a1"],
      ["gbk", "a140"],
      ["sjis", "f3f0"],
      ["big5", "a15a"],
      ["cp1250", "81"],
      ["gb18030", "8130"],
    ];
    for (const [charset, hex] of wrong) {
      const bytes = Buffer.from(hex, "hex");
      const read = () => textReader(charset)!(bytes, 0, bytes.length);
      expect(read).toThrow(`bytes that are not ${charset}`);
    }
    const real = Buffer.from("efbfbd", "hex");
    expect(textReader("utf8mb4")!(real, 0, 3)).toBe("\ufffd");
  });

  test("a byte order mark is a character like any other", () => {
    const bytes = Buffer.from("efbbbf61", "hex");
    expect(textReader("utf8mb4")!(bytes, 0, 4)).toBe("\ufeffa");
    expect(textReader("utf16")!(Buffer.from("feff0061", "hex"), 0, 4)).toBe("\ufeffa");
    expect(textReader("utf16le")!(Buffer.from("fffe6100", "hex"), 0, 4)).toBe("\ufeffa");
    expect(bytesPerChar("utf8mb3")).toBe(3);
  });

  test("forged JSON ends with a code, in time and memory that its size bounds", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.nat(15), (bytes, type) => {
        const doc = Buffer.from(bytes);
        doc[0] = type;
        try {
          const text = readJson(doc, 0, doc.length);
          JSON.parse(text);
          expect(text.length).toBeLessThan(doc.length * 30 + 30);
        } catch (error) {
          if (!(error instanceof DbusError)) throw error;
          expect(["BINLOG_CORRUPT", "BINLOG_TEXT_INVALID"]).toContain(error.code);
        }
      }),
      { numRuns: 5000 },
    );
  });

  test("JSON whose parts are shared, to grow without end, is refused", () => {
    // Each array holds the next one twice, twenty levels deep.
    const levels = 20;
    const doc = Buffer.alloc(1 + levels * 10);
    doc[0] = 2;
    for (let level = 0; level < levels; level++) {
      const at = 1 + level * 10;
      doc.writeUInt16LE(2, at);
      doc.writeUInt16LE(10, at + 2);
      for (const entry of [at + 4, at + 7]) {
        doc[entry] = level === levels - 1 ? 4 : 2;
        doc.writeUInt16LE(level === levels - 1 ? 0 : 10, entry + 1);
      }
    }
    expect(() => readJson(doc, 0, doc.length)).toThrow(DbusError);
  });

  test("enum and set members are read out of their definition", () => {
    expect(parseMembers("enum('a','it''s','b,c','x\\\\y','')")).toEqual([
      "a",
      "it's",
      "b,c",
      "x\\y",
      "",
    ]);
  });
});

describe("kinds of statements", () => {
  const kinds: readonly (readonly [string, string])[] = [
    ["BEGIN", "begin"],
    ["START TRANSACTION", "begin"],
    ["COMMIT", "commit"],
    ["commit /* x */", "commit"],
    ["ROLLBACK", "rollback"],
    ["ROLLBACK TO `a`", "rollback_to"],
    ["ROLLBACK WORK TO SAVEPOINT a", "rollback_to"],
    ["SAVEPOINT `a`", "savepoint"],
    ["XA START X'61',X'',1", "xa"],
    ["XA COMMIT X'61',X'',1", "xa"],
    ["XA ROLLBACK X'61',X'',1", "other"],
    ["INSERT INTO t VALUES (1)", "dml"],
    ["  /* hi */ -- there\n update t set a=1", "dml"],
    ["/*!50001 DELETE FROM t WHERE 1 */", "dml"],
    ["REPLACE INTO t VALUES (1)", "dml"],
    ["LOAD DATA INFILE 'x' INTO TABLE t", "dml"],
    ["SET STATEMENT max_statement_time=1 FOR INSERT INTO t VALUES (1)", "dml"],
    ["SET PASSWORD FOR x = 'insert'", "other"],
    ["DELETE FROM `d`.`mem`", "other"],
    ["DELETE FROM `d`.`t` WHERE a = 1", "dml"],
    ["TRUNCATE TABLE t", "other"],
    ["ALTER TABLE insert_log ADD a int", "other"],
    ["CREATE TABLE t SELECT 1", "other"],
    ["/* insert */ DROP TABLE t", "other"],
    ["insertion", "other"],
    ["", "other"],
  ];
  for (const [sql, kind] of kinds) {
    test(`${JSON.stringify(sql)} is ${kind}`, () => {
      expect(queryKind(sql)).toBe(kind as ReturnType<typeof queryKind>);
    });
  }

  test("a statement made to be slow is not", () => {
    const started = performance.now();
    queryKind(`${"/* ".repeat(100_000)}`);
    queryKind(`DELETE FROM ${"`a``".repeat(50_000)}`);
    queryKind(`${" ;".repeat(500_000)}x`);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

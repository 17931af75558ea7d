import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { MysqlGtid } from "#src/clients/mysql/binlog/event.ts";
import {
  addGtid,
  decodeGtidSet,
  encodeGtidSet,
  type GtidSet,
  parseGtidSet,
  printGtidSet,
} from "#src/clients/mysql/binlog/gtid.ts";
import {
  advance,
  parseMariadbPosition,
  printMariadbPosition,
} from "#src/clients/mysql/binlog/mariadb-gtid.ts";
import { DbusError } from "#src/errors.ts";

const a = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const b = "f91213c1-e77b-11f1-9bbb-02fc00000001";

const gtids = fc.array(
  fc.record({
    uuid: fc.constantFrom(a, b),
    tag: fc.constantFrom("", "", "blue", "_x9"),
    gno: fc.oneof(fc.bigInt(1n, 40n), fc.bigInt(2n ** 63n - 40n, 2n ** 63n - 2n)),
  }),
  { maxLength: 80 },
);

function setOf(list: readonly MysqlGtid[]): GtidSet {
  return list.reduce(addGtid, parseGtidSet(""));
}

function holds({ sources }: GtidSet, { uuid, tag, gno }: MysqlGtid): boolean {
  const intervals = sources.get(tag === "" ? uuid : `${uuid}:${tag}`) ?? [];
  return intervals.some(([first, last]) => first <= gno && gno <= last);
}

/** The same set the slow way: one entry a GTID. */
function model(list: readonly MysqlGtid[]): Set<string> {
  return new Set(list.map(({ uuid, tag, gno }) => `${uuid}:${tag}:${gno}`));
}

describe("GTID sets of MySQL", () => {
  test("hold exactly what was added, in whatever order", () => {
    fc.assert(
      fc.property(gtids, gtids, (list, others) => {
        const set = setOf(list);
        const has = model(list);
        for (const gtid of [...list, ...others]) {
          const key = `${gtid.uuid}:${gtid.tag}:${gtid.gno}`;
          expect(holds(set, gtid)).toBe(has.has(key));
        }
      }),
    );
  });

  test("are the same after printing and parsing, and after encoding and decoding", () => {
    fc.assert(
      fc.property(gtids, (list) => {
        const set = setOf(list);
        const text = printGtidSet(set);
        expect(printGtidSet(parseGtidSet(text))).toBe(text);
        const bytes = Buffer.from(encodeGtidSet(set));
        const decoded = decodeGtidSet({ bytes, at: 0, end: bytes.length });
        expect(printGtidSet(decoded)).toBe(text);
      }),
    );
  });

  test("intervals are sorted, apart from one another and joined where they touch", () => {
    fc.assert(
      fc.property(gtids, (list) => {
        for (const intervals of setOf(list).sources.values()) {
          let before = -1n;
          for (const [first, last] of intervals) {
            expect(first > before + 1n && last >= first).toBe(true);
            before = last;
          }
        }
      }),
    );
  });

  test("adding leaves the set as it was", () => {
    const before = parseGtidSet(`${a}:1-5`);
    addGtid(before, { uuid: a, tag: "", gno: 6n });
    expect(printGtidSet(before)).toBe(`${a}:1-5`);
  });

  test("are read as people and servers write them", () => {
    const text = ` ${a.toUpperCase()}:7:1-5:6 ,\n${b}:tag_1:3:5-9:other:1,`;
    expect(printGtidSet(parseGtidSet(text))).toBe(`${a}:1-7,${b}:other:1:tag_1:3:5-9`);
    expect(printGtidSet(parseGtidSet(""))).toBe("");
    // As MySQL 9.7 printed it, a line end in it.
    const printed = `${b}:1-44:abc:1-2`;
    expect(printGtidSet(parseGtidSet(printed))).toBe(printed);
  });

  test("what is none is refused with its code", () => {
    const wrong = ["x", a, `${a}:`, `${a}:0`, `${a}:5-4`, `${a}:1-`, `${a}:1:-2`, `${a}:9tag:1`];
    for (const text of [...wrong, `${a}:9223372036854775808`, `${a}1:1`]) {
      expect(() => parseGtidSet(text)).toThrow(DbusError);
    }
  });

  test("forged encodings end with a code, whatever count they claim", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeGtidSet({ bytes: Buffer.from(bytes), at: 0, end: bytes.length });
        } catch (error) {
          expect(error).toMatchObject({ code: "BINLOG_CORRUPT" });
        }
      }),
    );
  });
});

describe("GTID positions of MariaDB", () => {
  test("keep the newest GTID of each domain", () => {
    const start = parseMariadbPosition("0-1-100, 7-2-5");
    const next = advance(start, { domain: 0, server: 3, seq: 101n });
    expect(printMariadbPosition(next)).toBe("0-3-101,7-2-5");
    expect(printMariadbPosition(start)).toBe("0-1-100,7-2-5");
    expect(printMariadbPosition(parseMariadbPosition(""))).toBe("");
    const largest = "4294967295-4294967295-18446744073709551615";
    expect(printMariadbPosition(parseMariadbPosition(largest))).toBe(largest);
  });

  test("what is none is refused with its code", () => {
    for (const text of ["x", "0-1", "0-1-2-3", "4294967296-1-1", "0-1-18446744073709551616"]) {
      expect(() => parseMariadbPosition(text)).toThrow(DbusError);
    }
    expect(() => parseMariadbPosition("0-1-1,0-1-2")).toThrow(DbusError);
  });
});

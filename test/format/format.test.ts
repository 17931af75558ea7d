import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bytesOf } from "#src/byte-sink.ts";
import type { DbusError } from "#src/errors.ts";
import {
  type Column,
  type ColumnKind,
  JsonText,
  type Packet,
  type RowChange,
  type Table,
  type Value,
} from "#src/flow/packet.ts";
import { createFormat, type FormatOptions, type FormatRecord } from "#src/format/format.ts";

const wall = () => 1_763_928_847_123;
const column = (name: string, kind: ColumnKind, type: string, nullable = true): Column => ({
  name,
  kind,
  type,
  nullable,
});

const orders: Table = {
  db: "shop",
  name: "orders",
  columns: [column("id", "int", "int unsigned", false), column("note", "text", "varchar(20)")],
  primaryKey: [0],
};

function packetOf(change: Partial<RowChange> & Pick<RowChange, "op">): Packet {
  const payload: RowChange = {
    kind: "row",
    table: orders,
    before: undefined,
    after: undefined,
    txn: { gtid: "3e11fa47-71ca-11e1-9e33-c80aa9429562:23", serverId: 7 },
    ordinal: 2,
    log: "mysql-bin.000004",
    pos: 4711,
    ts: 1_763_928_800,
    ...change,
  };
  return { ident: "shop", payload, position: 0, bytes: 1 };
}

/** What one value of one column becomes in `after` of the debezium envelope, as text. */
function mapped(
  kind: ColumnKind,
  type: string,
  value: Value,
  nullable = true,
  name: "row" | "debezium" = "debezium",
): string {
  const table: Table = { ...orders, columns: [column("v", kind, type, nullable)], primaryKey: [] };
  const text = createFormat(name, { wall }).value(packetOf({ op: "I", table, after: [value] }));
  const found =
    name === "row"
      ? /"rows":\[\[(.*)\]\]/s.exec(`${text}`)
      : /"after":\{(.*)\},"s/s.exec(`${text}`);
  return (found?.[1] ?? "").replace(/^"v":/, "");
}

function contentText(value: FormatRecord["value"]): string {
  if (value === null || typeof value === "string") return `${value}`;
  return Buffer.from("writeTo" in value ? bytesOf(value) : value).toString();
}

const keysOf = (packet: Packet, name: "row" | "debezium", options: FormatOptions = {}) =>
  createFormat(name, { wall, ...options })
    .records(packet)
    .map((record) => [record.key, record.value === null ? null : "value"]);

describe("row format", () => {
  test("an insert is the seed's row event, byte for byte", () => {
    const text = createFormat("row", { wall }).value(packetOf({ op: "I", after: [1, 'a"b'] }));
    expect(text).toBe(
      '{"log":"mysql-bin.000004","pos":4711,"db":"shop","tbl":"orders","dml":"I","ts":1763928800,' +
        '"dt":1763928847123000000,"cols":["id","note"],"rows":[[1,"a\\"b"]]}',
    );
  });

  test("an update has both images, a delete the one before", () => {
    const format = createFormat("row", { wall });
    expect(format.value(packetOf({ op: "U", before: [1, "a"], after: [1, null] }))).toContain(
      '"dml":"U","ts":1763928800,"dt":1763928847123000000,"cols":["id","note"],' +
        '"rows":[[1,"a"],[1,null]]}',
    );
    expect(format.value(packetOf({ op: "D", before: [1, "a"] }))).toContain('"rows":[[1,"a"]]}');
  });

  test("a column that no image carries is left out, one that only one carries is told", () => {
    const format = createFormat("row", { wall });
    expect(format.value(packetOf({ op: "D", before: [1, undefined] }))).toEndWith(
      '"cols":["id"],"rows":[[1]]}',
    );
    expect(
      format.value(packetOf({ op: "U", before: [1, undefined], after: [undefined, "x"] })),
    ).toEndWith('"cols":["id","note"],"rows":[[1,null],[null,"x"]],"absent":[["note"],["id"]]}');
  });

  test("S13: no digit of a number is lost, in JSON columns neither", () => {
    const big = 18_446_744_073_709_551_615n;
    expect(mapped("bigint", "bigint unsigned", big, true, "row")).toBe("18446744073709551615");
    expect(mapped("bit", "bit(64)", big, true, "row")).toBe("18446744073709551615");
    const json = new JsonText('{"n": 12345678901234567890.000000000000000001}');
    expect(mapped("json", "json", json, true, "row")).toBe(json.text);
    expect(mapped("decimal", "decimal(65,30)", "9".repeat(35), true, "row")).toBe(
      `"${"9".repeat(35)}"`,
    );
  });

  test("BIGINT becomes a string when asked for", () => {
    const table = { ...orders, columns: [column("v", "bigint", "bigint")], primaryKey: [0] };
    const format = createFormat("row", { wall, bigint: "string" });
    const packet = packetOf({ op: "I", table, after: [-1n] });
    expect(format.value(packet)).toContain('"rows":[["-1"]]');
    expect(format.key(packet)).toBe('{"v":"-1"}');
  });

  test("every row is valid JSON that reads back as the values it had", () => {
    const value = fc.oneof(fc.string({ unit: "binary" }), fc.constant(null));
    fc.assert(
      fc.property(fc.integer(), value, fc.string({ unit: "binary" }), (id, note, name) => {
        const columns = [orders.columns[0] as Column, column(name, "text", "text")];
        const table = { ...orders, name, columns };
        const format = createFormat("row", { wall });
        const parsed = JSON.parse(
          `${format.value(packetOf({ op: "I", table, after: [id, note] }))}`,
        );
        expect(parsed.rows).toEqual([[id, note]]);
        expect(parsed.cols).toEqual(["id", name]);
        expect(parsed.tbl).toBe(name);
      }),
    );
  });
});

describe("debezium format", () => {
  test("an insert is the envelope without schema, byte for byte", () => {
    const format = createFormat("debezium", { wall, sourceName: "eu" });
    const text = `${format.value(packetOf({ op: "I", after: [1, "a"] }))}`;
    expect(text.replace(/"version":"[^"]+"/, '"version":"0"')).toBe(
      '{"before":null,"after":{"id":1,"note":"a"},"source":{"version":"0","connector":"mysql",' +
        '"name":"eu","ts_ms":1763928800000,"snapshot":"false","db":"shop","sequence":null,' +
        '"ts_us":1763928800000000,"ts_ns":1763928800000000000,"table":"orders","server_id":7,' +
        '"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:23","file":"mysql-bin.000004","pos":4711,' +
        '"row":2,"thread":null,"query":null},"transaction":null,"op":"c","ts_ms":1763928847123,' +
        '"ts_us":1763928847123000,"ts_ns":1763928847123000000}',
    );
  });

  test("times that are zero stay valid JSON", () => {
    const format = createFormat("debezium", { wall: () => 0 });
    const text = `${format.value(packetOf({ op: "I", after: [1, "a"], ts: 0 }))}`;
    expect(JSON.parse(text).source.ts_ns).toBe(0);
    expect(
      JSON.parse(
        `${createFormat("row", { wall: () => 0 }).value(packetOf({ op: "I", after: [1, "a"] }))}`,
      ).dt,
    ).toBe(0);
  });

  test("columns that the image does not carry are absent, not null", () => {
    const text = `${createFormat("debezium", { wall }).value(
      packetOf({ op: "U", before: [1, undefined], after: [undefined, null] }),
    )}`;
    expect(text).toStartWith('{"before":{"id":1},"after":{"note":null},');
  });

  // The mapping as Debezium's MySQL documentation has it, decimal.handling.mode=string.
  const cases: [ColumnKind, string, Value, string][] = [
    ["int", "tinyint(1)", 1, "1"],
    ["int", "int unsigned", 4294967295, "4294967295"],
    ["bigint", "bigint", -9223372036854775808n, "-9223372036854775808"],
    ["bigint", "bigint unsigned", 18446744073709551615n, "18446744073709551615"],
    ["float", "float", Math.fround(0.1), "0.1"],
    ["float", "float", Math.fround(16777216.5), "16777216"],
    ["float", "double", Math.fround(0.1), "0.10000000149011612"],
    ["float", "float", Math.fround(3.4028235e38), "3.4028235e+38"],
    ["float", "double", -0, "-0"],
    ["decimal", "decimal(12,2)", "-0.10", '"-0.10"'],
    ["text", "varchar(3)", "é😀\u0000", '"é😀\\u0000"'],
    ["binary", "binary(2)", new Uint8Array([0, 255]), '"AP8="'],
    ["date", "date", "1969-12-31", "-1"],
    ["date", "date", "9999-12-31", "2932896"],
    ["date", "date", "0001-01-01", "-719162"],
    ["time", "time", "-838:59:59", "-3020399000000"],
    ["time", "time(6)", "00:00:00.000001", "1"],
    ["time", "time(6)", "-00:00:00.100000", "-100000"],
    ["datetime", "datetime", "2018-06-20 06:37:03", "1529476623000"],
    ["datetime", "datetime(3)", "2018-06-20 06:37:03.120", "1529476623120"],
    ["datetime", "datetime(4)", "2018-06-20 06:37:03.1200", "1529476623120000"],
    ["datetime", "datetime(6)", "9999-12-31 23:59:59.999999", "253402300799999999"],
    ["datetime", "datetime(6)", "0001-01-01 00:00:00.000001", "-62135596799999999"],
    ["datetime", "datetime(6)", "1970-01-01 00:00:00.000000", "0"],
    ["timestamp", "timestamp", "2018-06-20 06:37:03", '"2018-06-20T06:37:03Z"'],
    ["timestamp", "timestamp(3)", "2018-06-20 06:37:03.100", '"2018-06-20T06:37:03.100Z"'],
    ["year", "year", 2155, "2155"],
    ["enum", "enum('a','b')", "b", '"b"'],
    ["set", "set('a','b')", "a,b", '"a,b"'],
    ["bit", "bit(1)", 1n, "true"],
    ["bit", "bit(1)", 0n, "false"],
    ["bit", "bit(8)", 129n, '"gQ=="'],
    ["bit", "bit(9)", 257n, '"AQE="'],
    ["bit", "bit(64)", 2n ** 63n, '"AAAAAAAAAIA="'],
    ["json", "json", new JsonText('{"a": 1.10}'), '"{\\"a\\": 1.10}"'],
    ["int", "int", null, "null"],
  ];
  test.each(cases)("%s %s %p becomes %s", (kind, type, value, text) => {
    expect(mapped(kind, type, value)).toBe(text);
  });

  test("days of no calendar are null, or 1970 where null is not allowed", () => {
    expect(mapped("date", "date", "0000-00-00")).toBe("null");
    expect(mapped("date", "date", "2020-00-01", false)).toBe("0");
    expect(mapped("datetime", "datetime", "0000-00-00 00:00:00", false)).toBe("0");
    expect(mapped("timestamp", "timestamp", "0000-00-00 00:00:00", false)).toBe(
      '"1970-01-01T00:00:00Z"',
    );
  });

  test("dates agree with JavaScript's own calendar", () => {
    const from = new Date("0100-01-01T00:00:00Z");
    const to = new Date("9999-12-31T23:59:59.999Z");
    fc.assert(
      fc.property(fc.date({ min: from, max: to, noInvalidDate: true }), (date) => {
        const text = date.toISOString().replace("T", " ").replace("Z", "");
        expect(mapped("datetime", "datetime(3)", text)).toBe(String(date.getTime()));
        const day = String(Math.floor(date.getTime() / 86_400_000));
        expect(mapped("date", "date", text.slice(0, 10))).toBe(day);
      }),
    );
  });

  test("text that is no date is refused, never guessed", () => {
    for (const [kind, text] of [
      ["date", "2020-1-01"],
      ["date", "2020-01-01 "],
      ["datetime", "2020-01-01"],
      ["datetime", "2020-01-01 00:00:00.1234567"],
      ["datetime", "2020-01-01 00:00:00.x"],
      ["time", "1:2:3"],
      ["timestamp", "now"],
    ] as const) {
      expect(() => mapped(kind, kind, text)).toThrow("as MySQL writes it");
    }
  });
});

describe("figures and vectors", () => {
  const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
  const point = "0101000000000000000000f83f00000000000000c0";
  const line = "010200000001000000000000000000f03f000000000000f03f";
  const wkbOf = (text: string) => Buffer.from(text, "hex").toString("base64");

  test("GEOMETRY is its WKB and its SRID, a POINT has its coordinates too, as in Debezium", () => {
    const [p, l] = [wkbOf(point), wkbOf(line)];
    expect(mapped("geometry", "point", hex(`e6100000${point}`))).toBe(
      `{"x":1.5,"y":-2,"wkb":"${p}","srid":4326}`,
    );
    expect(mapped("geometry", "geometry", hex(`00000000${point}`))).toBe(
      `{"wkb":"${p}","srid":null}`,
    );
    expect(mapped("geometry", "linestring", hex(`00000000${line}`), true, "row")).toBe(
      `{"wkb":"${l}","srid":0}`,
    );
    // The SRID is unsigned, and bytes that are no figure are kept all the same.
    expect(mapped("geometry", "geometry", hex("ffffffff"), true, "row")).toBe(
      `{"wkb":"","srid":4294967295}`,
    );
    expect(mapped("geometry", "point", hex("00"), true, "row")).toBe(`{"wkb":"AA==","srid":0}`);
  });

  test("a VECTOR is the list of its floats, in the fewest digits", () => {
    const floats = new Float32Array([1, -0.5, 0.1, 3.4028235e38, -0]);
    const bytes = new Uint8Array(floats.buffer);
    const text = "[1,-0.5,0.1,3.4028235e+38,-0]";
    expect(mapped("vector", "vector(5)", bytes)).toBe(text);
    expect(mapped("vector", "vector(5)", bytes, true, "row")).toBe(text);
    expect(Float32Array.from(JSON.parse(text) as number[])).toEqual(floats);
    const nan = new Uint8Array(new Float32Array([Number.NaN]).buffer);
    expect(() => mapped("vector", "vector(1)", nan)).toThrow(
      expect.objectContaining({ code: "FORMAT_VALUE" }),
    );
  });
});

describe("floats", () => {
  test("a FLOAT is written in the fewest digits that read back as the same float", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = mapped("float", "float", value);
        expect(Math.fround(Number(text))).toBe(value);
        expect(text.length).toBeLessThanOrEqual(Object.is(value, -0) ? 2 : String(value).length);
      }),
    );
  });

  test("what JSON cannot hold is refused with a code", () => {
    try {
      mapped("float", "double", Number.NaN);
      expect.unreachable();
    } catch (error) {
      expect((error as DbusError).code).toBe("FORMAT_VALUE");
    }
  });
});

describe("keys and records", () => {
  const move = packetOf({ op: "U", before: [1, "a"], after: [2, "a"] });

  test("the key is the primary key as a JSON object, in key order", () => {
    const table = { ...orders, primaryKey: [1, 0] };
    const packet = packetOf({ op: "I", table, after: [1, "x"] });
    expect(createFormat("debezium").key(packet)).toBe('{"note":"x","id":1}');
  });

  test("a delete is followed by a tombstone in debezium, and only there by default", () => {
    const packet = packetOf({ op: "D", before: [1, "a"] });
    const key = '{"id":1}';
    expect(keysOf(packet, "debezium")).toEqual([
      [key, "value"],
      [key, null],
    ]);
    expect(keysOf(packet, "row")).toEqual([[key, "value"]]);
    expect(keysOf(packet, "debezium", { tombstones: false })).toEqual([[key, "value"]]);
  });

  test("an update of the key deletes the old one and creates the new one (fault 101)", () => {
    const records = createFormat("debezium", { wall }).records(move);
    expect(records.map((record) => record.key)).toEqual(['{"id":1}', '{"id":1}', '{"id":2}']);
    expect(
      records.map((r) => (r.value === null ? null : JSON.parse(contentText(r.value)).op)),
    ).toEqual(["d", null, "c"]);
    expect(records[0]?.headers).toEqual([["__debezium.newkey", '{"id":2}']]);
    expect(records[2]?.headers).toEqual([["__debezium.oldkey", '{"id":1}']]);
    expect(keysOf(move, "row")).toEqual([
      ['{"id":1}', "value"],
      ['{"id":2}', "value"],
    ]);
  });

  test("an update that keeps its key is one record, binary keys compared by content", () => {
    expect(
      keysOf(packetOf({ op: "U", before: [1, "a"], after: [1, "b"] }), "debezium"),
    ).toHaveLength(1);
    const table = { ...orders, columns: [column("k", "binary", "binary(1)")] };
    const [before, after] = [[new Uint8Array([1])], [new Uint8Array([1])]];
    expect(keysOf(packetOf({ op: "U", table, before, after }), "row")).toEqual([
      ['{"k":"AQ=="}', "value"],
    ]);
  });

  test("a MINIMAL image takes its key from the image before", () => {
    const packet = packetOf({ op: "U", before: [9, undefined], after: [undefined, "b"] });
    expect(keysOf(packet, "debezium")).toEqual([['{"id":9}', "value"]]);
  });

  test("without a primary key there is no key, unless the config says which", () => {
    const packet = packetOf({ op: "D", table: { ...orders, primaryKey: [] }, before: [1, null] });
    expect(keysOf(packet, "debezium")).toEqual([[null, "value"]]);
    expect(keysOf(packet, "row", { keyless: "row" })).toEqual([['{"id":1,"note":null}', "value"]]);
    const keyColumns = { "shop.orders": ["note"] };
    expect(keysOf(packet, "row", { keyColumns })).toEqual([['{"note":null}', "value"]]);
  });

  test("a key column that is not there is an error with a code", () => {
    const packet = packetOf({ op: "D", before: [undefined, "a"] });
    for (const options of [{}, { keyColumns: { "shop.orders": ["nope"] } }]) {
      try {
        keysOf(packet, "row", options);
        expect.unreachable();
      } catch (error) {
        expect((error as DbusError).code).toBe("FORMAT_KEY_MISSING");
      }
    }
  });

  test("payloads that are no rows pass unchanged", () => {
    const format = createFormat("debezium");
    const base = { ident: "x", position: 0, bytes: 1 };
    const value = new Uint8Array([255]);
    const bytes = { kind: "bytes", key: null, value, headers: [["h", "v"]], timestamp: 1 } as const;
    expect(format.records({ ...base, payload: bytes })).toEqual([
      { key: null, value, headers: [["h", "v"]] },
    ]);
    expect(format.value({ ...base, payload: { kind: "text", text: "é" } })).toBe("é");
    expect(format.value({ ...base, payload: { kind: "document", json: '{"n":1.10}' } })).toBe(
      '{"n":1.10}',
    );
  });
});

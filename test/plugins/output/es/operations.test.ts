import { describe, expect, test } from "bun:test";
import { splitFilter } from "#plugins/filter/split/split-filter.ts";
import { esOutputSchema } from "#plugins/output/es/es-config.ts";
import { createOperations } from "#plugins/output/es/operations.ts";
import { createBulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import { RowPosition } from "#src/clients/mysql/binlog/position.ts";
import { systemClock } from "#src/clock.ts";
import {
  type ColumnKind,
  JsonText,
  type Packet,
  type Payload,
  type RowChange,
  type Table,
  type Value,
} from "#src/flow/packet.ts";
import { codeOfCall } from "../../../support/code-of.ts";
import { runFilter } from "../../../support/run-filter.ts";

type Columns = Readonly<Record<string, ColumnKind>>;

function table(
  columns: Columns,
  key: readonly number[] = [0],
  db = "Shop",
  name = "orders",
): Table {
  const kinds = Object.entries(columns);
  const made = kinds.map(([column, kind]) => ({ name: column, kind, type: kind, nullable: true }));
  return { db, name, columns: made, primaryKey: key };
}

const plain = table({ id: "int", customer: "text", note: "text" });

type Image = readonly Value[];

function row(op: RowChange["op"], before?: Image, after?: Image, of = plain): Packet {
  const txn = { gtid: undefined, serverId: 1 };
  const place = { ordinal: 0, log: "binlog.000001", pos: 200, ts: 1_700_000_000 };
  const payload = { kind: "row", op, table: of, before, after, txn, ...place } as const;
  const start = { lineage: "u1", file: "binlog.000001", pos: 100, before: undefined };
  return {
    ident: "in",
    payload,
    position: new RowPosition({ ...start, gtid: undefined }, 1, 300),
    bytes: 10,
  };
}

const other = (payload: Payload, position: Packet["position"] = 1): Packet => ({
  ...{ ident: "in", payload, position, bytes: 10 },
});

function operations(config: object = {}) {
  return createOperations(esOutputSchema.parse({ nodes: ["http://h:1"], ...config }), systemClock);
}

/** What is done, as `verb index id routing`, and the documents. */
function shown(config: object, ...packets: readonly Packet[]) {
  const of = operations(config);
  const made = packets.flatMap((packet) => of(packet));
  const documents = made.map(({ document }) => {
    const body = createBulkBody();
    document?.(body);
    return Buffer.from(body.bytes(0, body.length)).toString();
  });
  const actions = made.map(({ verb, index, id, routing }) =>
    [verb, index, id, ...(routing === undefined ? [] : [routing])].join(" "),
  );
  return { actions, documents };
}

describe("rows", () => {
  test("become documents under their primary key, in the index of their table", () => {
    const { actions, documents } = shown(
      {},
      row("I", undefined, [1, "ann", "a\n"]),
      row("U", [1, "ann", "a"], [1, "ann", null]),
      row("D", [1, "ann", null]),
    );
    expect(actions).toEqual(["index shop.orders 1", "index shop.orders 1", "delete shop.orders 1"]);
    expect(documents).toEqual([
      '{"id":1,"customer":"ann","note":"a\\n"}\n',
      '{"id":1,"customer":"ann","note":null}\n',
      "",
    ]);
  });

  test("an update that changes the key deletes the old document", () => {
    const { actions } = shown({}, row("U", [1, "ann", ""], [2, "ann", ""]));
    expect(actions).toEqual(["delete shop.orders 1", "index shop.orders 2"]);
  });

  test("and so does one that changes what index, id or routing are made of", () => {
    const config = { index: "by-${row.customer}", id: "${tbl}-${row.id}", routing: "${row.note}" };
    const { actions } = shown(
      config,
      row("U", [1, "Ann", "x"], [1, "bob", "x"]),
      row("U", [1, "bob", "x"], [1, "bob", "y"]),
      row("U", [1, "bob", "y"], [1, "bob", "y"]),
    );
    expect(actions).toEqual([
      "delete by-ann orders-1 x",
      "index by-bob orders-1 x",
      "delete by-bob orders-1 x",
      "index by-bob orders-1 y",
      "index by-bob orders-1 y",
    ]);
  });

  test("what moves within a shard outlives the delete of where it was: both have one version", () => {
    const moved = (config: object, before: Image, after: Image) =>
      operations(config)(row("U", before, after)).map(
        ({ verb, place }) => `${verb} ${place?.shared}`,
      );
    const sameId = ["delete false", "index true"];
    expect(moved({ routing: "${row.note}" }, [1, "a", "x"], [1, "a", "y"])).toEqual(sameId);
    expect(moved({ index: "by-${row.note}" }, [1, "a", "x"], [1, "a", "y"])).toEqual(sameId);
    const otherId = ["delete false", "index false"];
    expect(moved({}, [1, "a", "x"], [2, "a", "x"])).toEqual(otherId);
  });

  test("a row that had no address before is written as soon as it has one", () => {
    const config = { index: "by-${row.customer}" };
    for (const before of [null, "x".repeat(300)]) {
      const { actions } = shown(config, row("U", [1, before, ""], [1, "ann", ""]));
      expect(actions).toEqual(["index by-ann 1"]);
    }
  });

  test("days that are none are different keys, although each is null in a document", () => {
    const of = table({ d: "date", n: "int" }, [0, 1]);
    const ids = ["0000-00-00", "2020-00-00", "2020-01-00", "2020-01-01"].map(
      (day) => shown({}, row("I", undefined, [day, 1], of)).actions[0],
    );
    expect(new Set(ids).size).toBe(4);
  });

  test("any other key is its JSON as base64url, or a hash above 512 bytes", () => {
    const two = table({ a: "bigint", b: "text" }, [0, 1]);
    const id = (of: Table, ...image: Value[]) =>
      shown({}, row("I", undefined, image, of)).actions[0]?.split(" ")[2] ?? "";
    const text = Buffer.from(id(two, 18446744073709551615n, "x/ ü"), "base64url").toString();
    expect(text).toBe('{"a":18446744073709551615,"b":"x/ ü"}');
    const long = table({ a: "text" });
    expect(id(long, "x".repeat(600))).toMatch(/^[\w-]{43}$/);
    expect(id(long, "x".repeat(600))).not.toBe(id(long, "x".repeat(601)));
    expect(id(table({ a: "bigint" }), 2n ** 64n - 1n)).toBe("18446744073709551615");
  });

  test("dates are ISO 8601, and a day that is none is null", () => {
    const times = table({ id: "int", d: "date", t: "datetime", z: "timestamp", c: "time" });
    const image = [1, "2026-11-23", "2026-11-23 20:14:07.120", "2026-11-23 20:14:07", "-01:00:00"];
    const none = [1, "0000-00-00", "0000-00-00 00:00:00", "0000-00-00 00:00:00", "00:00:00"];
    const { documents } = shown(
      {},
      row("I", undefined, image, times),
      row("I", undefined, none, times),
    );
    expect(documents[0]).toBe(
      '{"id":1,"d":"2026-11-23","t":"2026-11-23T20:14:07.120","z":"2026-11-23T20:14:07Z","c":"-01:00:00"}\n',
    );
    expect(documents[1]).toBe('{"id":1,"d":null,"t":null,"z":null,"c":"00:00:00"}\n');
    const sql = shown({ dates: "sql" }, row("I", undefined, none, times));
    expect(sql.documents[0]).toContain('"d":"0000-00-00"');
    const odd = [1, "2026-11-23", '2026-11-23"20:14:07', "2026-11-23 20:14:07", "00:00:00"];
    expect(codeOfCall(() => shown({}, row("I", undefined, odd, times)))).toBe("FORMAT_VALUE");
  });
});

test("a JSON column is the value that it holds, or its text", () => {
  const of = table({ id: "int", doc: "json" });
  const image = [1, new JsonText('{"a":[1.10,"x"]}')];
  const written = (config: object) => shown(config, row("I", undefined, image, of)).documents[0];
  expect(written({})).toBe('{"id":1,"doc":{"a":[1.10,"x"]}}\n');
  expect(written({ json: "text" })).toBe('{"id":1,"doc":"{\\"a\\":[1.10,\\"x\\"]}"}\n');
});

describe("what cannot be one document is refused by itself", () => {
  const secret = Buffer.from("alice\nbob");
  const code = (config: object, packet: Packet) =>
    codeOfCall(() => {
      for (const { document } of operations(config)(packet)) document?.(createBulkBody());
    });

  test("a row without its columns, without a key, of a template that names none of its columns", () => {
    const minimal = row("U", [1, undefined, undefined], [undefined, undefined, "x"]);
    expect(code({}, minimal)).toBe("ES_ROW_PARTIAL");
    expect(code({}, row("U", [1, "a", "b"], [1, undefined, "x"]))).toBe("ES_ROW_PARTIAL");
    // To delete a row takes its key alone.
    expect(code({}, row("D", [1, undefined, undefined]))).toBe("none");
    expect(code({ routing: "${row.customer}" }, row("D", [1, undefined, undefined]))).toBe(
      "ES_ROW_PARTIAL",
    );
    const keyless = table({ a: "int" }, []);
    expect(code({}, row("I", undefined, [1], keyless))).toBe("FORMAT_KEY_MISSING");
    expect(code({ keyColumns: { "Shop.orders": ["a"] } }, row("I", undefined, [1], keyless))).toBe(
      "none",
    );
    for (const key of ["index", "id", "routing", "pipeline"]) {
      expect(code({ [key]: "x${row.nope}" }, row("I", undefined, [1, "a", "b"]))).toBe(
        "FORMAT_TEMPLATE",
      );
    }
    expect(code({ id: "${row.note}" }, row("I", undefined, [1, "a", null]))).toBe(
      "FORMAT_TEMPLATE",
    );
    expect(code({ routing: "${row.note}" }, row("I", undefined, [1, "a", null]))).toBe("none");
  });

  test("a record whose value is not UTF-8, a document that is broken over lines", () => {
    const bytes = { kind: "bytes", headers: [], timestamp: undefined } as const;
    const key = Buffer.from("k");
    expect(code({}, other({ ...bytes, key, value: Uint8Array.of(0xff) }))).toBe("FORMAT_VALUE");
    expect(code({}, other({ ...bytes, key: null, value: null }))).toBe("FORMAT_KEY_MISSING");
    expect(code({}, other({ kind: "document", json: '{"a":\n' }))).toBe("FORMAT_VALUE");
  });

  test("an error of what is no JSON tells nothing of it", () => {
    const lines = other({ kind: "bytes", key: null, headers: [], timestamp: 0, value: secret });
    const call = () => shown({}, lines);
    expect(call).toThrow("no JSON");
    expect(call).not.toThrow("alice");
  });
});

describe("what is no row", () => {
  test("a document on several lines is one line, and a template finds its fields", () => {
    const json = '{\r\n "id": 12345678901234567890,\n "a": "x\\n"}';
    const { actions, documents } = shown(
      { id: "${row.id}", index: "docs" },
      other({ kind: "document", json }),
    );
    expect(actions).toEqual(["index docs 12345678901234567890"]);
    expect(documents[0]).toBe('{   "id": 12345678901234567890,  "a": "x\\n"}\n');
  });

  test("without an id it gets one, the same when it is tried again", () => {
    const of = operations({ index: "docs" });
    const packet = other({ kind: "text", text: "Mär" });
    const [first, again, another] = [packet, packet, { ...packet }].map((one) => of(one)[0]);
    expect(first?.verb).toBe("create");
    expect([again?.id === first?.id, another?.id === first?.id]).toEqual([true, false]);
  });

  test("a record is written under its key, or under where it stands; a tombstone deletes", () => {
    const record = (key: string | null, value: string | null) => {
      const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
      const made = { key: bytes(key), value: bytes(value), headers: [], timestamp: 0 };
      return other({ kind: "bytes", ...made }, { topicId: "t", partition: 1, offset: "5" });
    };
    const { actions } = shown({ index: "t" }, record("k-1", "{}"), record("k-1", null));
    expect(actions).toEqual(["index t k-1", "delete t k-1"]);
    const [placed, odd] = shown(
      { index: "t" },
      record(null, "{}"),
      record('{"id":1}', "{}"),
    ).actions;
    expect(placed).toBe(`index t kafka/t/${(1n << 40n) | 5n}`);
    const text = Buffer.from('{"id":1}').toString("base64url");
    expect(odd).toBe(`index t ~${text}`);
    // That text is another record's key.
    expect(shown({ index: "t" }, record(text, "{}")).actions).toEqual([`index t ${text}`]);
  });

  test("a document or text that came in a record is under the key of it too, where its tombstone is", () => {
    const record = { key: Buffer.from("k-1"), headers: [], timestamp: 1_700_000_000_000 };
    const position = { topicId: "t", partition: 1, offset: 5 };
    const packets = [
      other({ kind: "document", json: "{}", record }, position),
      other({ kind: "text", text: "x", record }, position),
      other({ kind: "bytes", value: null, ...record }, position),
    ];
    const { actions } = shown({ index: "t" }, ...packets);
    expect(actions).toEqual(["index t k-1", "index t k-1", "delete t k-1"]);
    const of = operations({ index: "t" });
    expect(packets.flatMap((packet) => of(packet)).map(({ at }) => at)).toEqual(
      packets.map(() => 1_700_000_000),
    );
  });
});

test("a record has an id that can be one, whatever its key, and so have its parts", () => {
  const record = { headers: [], timestamp: 0 };
  const idOf = (key: string | Uint8Array, part?: string) => {
    const payload = { kind: "document", json: "{}", record: { key: Buffer.from(key), ...record } };
    const whole = part === undefined ? payload : { ...payload, part };
    return operations({ index: "t" })(other(whole as Payload))[0]?.id ?? "";
  };
  const keys = ["", "k", "k".repeat(512), "k".repeat(513), Buffer.alloc(384, 255)];
  const ids = keys.flatMap((key) => [idOf(key), idOf(key, "1"), idOf(key, "2")]);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.filter((id) => id.length < 1 || Buffer.byteLength(id) > 512)).toEqual([]);
  expect([ids[3], ids[4], ids[6]]).toEqual(["k", "k/1", "k".repeat(512)]);
});

describe("what filters made of a row or record", () => {
  const position = { topicId: "t", partition: 1, offset: 5 };
  const record = { key: Buffer.from("k"), headers: [], timestamp: 7_000 };
  const split = async (config: object, packet: Packet) => {
    const [made] = await runFilter(splitFilter, { field: "list", ...config }, [packet]);
    return typeof made === "string" ? [] : (made ?? []);
  };
  const json = '{"list":[{"id":1},{"id":2},{"list":[3]}]}';

  test("a JSON record is written under its key, and its tombstone deletes that", () => {
    const document = other({ kind: "document", json: "{}", record }, position);
    const gone = other({ kind: "bytes", value: null, ...record }, position);
    const made = [document, gone].flatMap((packet) => operations({ index: "t" })(packet));
    expect(made.map(({ verb, id, at }) => [verb, id, at])).toEqual([
      ["index", "k", 7],
      ["delete", "k", 7],
    ]);
  });

  test("the parts of one record have an id each, the same when they come again", async () => {
    for (const key of [null, record.key]) {
      const packet = other({ kind: "document", json, record: { ...record, key } }, position);
      const parts = await split({}, packet);
      const first = key === null ? `kafka/t/${(1n << 40n) | 5n}` : "k";
      for (let n = 0; n < 2; n++) {
        const ids = parts.flatMap((part) => operations({ index: "t" })(part).map(({ id }) => id));
        expect(ids).toEqual([first, `${first}/1`, `${first}/2`]);
      }
      const again = await split({}, parts[2] as Packet);
      expect(operations({ index: "t" })(again[0] as Packet)[0]?.id).toBe(`${first}/2`);
    }
  });

  test("parts that a template gives one id do not lose to the first of them", async () => {
    const parts = await split({}, other({ kind: "document", json, record }, position));
    const made = parts.slice(0, 2).flatMap((part) => operations({ id: "${row.id}" })(part));
    expect(made.map(({ place }) => place?.shared)).toEqual([true, true]);
  });

  test("several documents of one row are not one document", async () => {
    const counted = [1, 2].map((count) => ({
      ...row("D", [1, "", ""]),
      payload: { kind: "document", json: `{"count":${count}}` } as const,
    }));
    const of = operations({ index: "counts" });
    const made = counted.flatMap((packet) => of(packet));
    expect(made.map(({ verb, place }) => [verb, place])).toEqual([
      ["create", undefined],
      ["create", undefined],
    ]);
    expect(made[0]?.id).not.toBe(made[1]?.id);
  });
});

test("JSON on several lines is a part of one line", () => {
  const of = table({ id: "int", doc: "json" });
  const image = [1, new JsonText('{\r\n  "a": "b\\n"\n}')];
  const { documents } = shown({}, row("I", undefined, image, of));
  expect(documents).toEqual(['{"id":1,"doc":{    "a": "b\\n" }}\n']);
});

describe("indices", () => {
  const index = (config: object, db: string, name: string) =>
    shown(config, row("I", undefined, [1, "", ""], table({ id: "int" }, [0], db, name))).actions[0];

  test("small letters, and nothing that an index may not have (S10)", () => {
    expect(index({}, "../../Admin", 'a"; DROP *')).toBe("index .._.._admin.a_;_drop__ 1");
  });

  test("two tables never share an index where their ids would be the same (S10)", () => {
    const of = operations();
    const rowOf = (db: string, name: string) =>
      row("I", undefined, [1, "", ""], table({ id: "int" }, [0], db, name));
    of(rowOf("shop", "orders"));
    expect(codeOfCall(() => of(rowOf("shop", "Orders")))).toBe("ES_INDEX_COLLISION");
    const one = operations({ index: "all" });
    one(rowOf("shop", "a"));
    expect(codeOfCall(() => one(rowOf("shop", "b")))).toBe("ES_INDEX_COLLISION");
    const named = operations({ index: "all", id: "${tbl}-${row.id}" });
    named(rowOf("shop", "a"));
    expect(codeOfCall(() => named(rowOf("shop", "b")))).toBe("none");
  });

  test("names that no index can have are refused, and templates as soon as they are read", () => {
    const call = (template: string, name: string) =>
      codeOfCall(() => index({ index: template }, "d", name));
    expect(call("${tbl}", "_x")).toBe("ES_INDEX_INVALID");
    expect(call("${tbl}", "..")).toBe("ES_INDEX_INVALID");
    expect(call("${tbl}", "x".repeat(256))).toBe("ES_INDEX_INVALID");
    expect(call("${tbl}", "x\ud800")).toBe("ES_INDEX_INVALID");
    for (const wrong of ["Orders", "a b", "-x", "a/${tbl}", "${table}", "${row.}", "", "${db"]) {
      const config = { nodes: ["http://h:1"], index: wrong };
      expect([wrong, esOutputSchema.safeParse(config).success]).toEqual([wrong, false]);
    }
  });
});

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { columnType } from "#src/clients/mysql/binlog/column-type.ts";
import type { BinlogEvent, EventHeader } from "#src/clients/mysql/binlog/event.ts";
import { type MysqlPosition, mysqlPositionSchema } from "#src/clients/mysql/binlog/position.ts";
import { createRowStream, type RowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import type { TableSchema } from "#src/clients/mysql/binlog/schema-lookup.ts";
import type { TableMap } from "#src/clients/mysql/binlog/table-map.ts";
import { noMetadata } from "#src/clients/mysql/binlog/table-metadata.ts";
import type { Packet } from "#src/flow/packet.ts";
import { changeOf, eventBytes, packetsOf } from "../../../support/binlog-rows.ts";

const shop = join(import.meta.dir, "../../../../etc/quickstart/shop.binlog");
const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

/** A table of one INT column without names, as MySQL 5.7 logs it. */
const numbers: TableMap = {
  tableId: 7,
  db: "shop",
  table: "numbers",
  columnCount: 1,
  types: new Uint8Array([3]),
  meta: [0],
  nullable: new Uint8Array([1]),
  metadata: noMetadata,
};
const schema: TableSchema = {
  columns: [{ name: "n", type: "int(11)", charset: null, nullable: true }],
  primaryKey: [],
};

/** Makes events that lie one behind another in a file. */
function script(start = 4) {
  let pos = start;
  const header = (size = 100, artificial = false): EventHeader => {
    if (!artificial) pos += size;
    const logPos = artificial ? 0 : pos % 2 ** 32;
    const flags = artificial ? 0x20 : 0;
    return { timestamp: 1000, type: 0, serverId: 5, size, logPos, flags, nested: false };
  };
  return {
    pos: () => pos,
    gap: (bytes: number) => {
      pos += bytes;
    },
    gtid: (gno: number): BinlogEvent => ({
      kind: "gtid",
      header: header(),
      gtid: { uuid, tag: "", gno: BigInt(gno) },
      commitMicros: undefined,
    }),
    anonymous: (): BinlogEvent => ({
      kind: "gtid",
      header: header(),
      gtid: undefined,
      commitMicros: undefined,
    }),
    mariadb: (seq: number, standalone: boolean, xa = false): BinlogEvent => ({
      kind: "mariadb_gtid",
      header: header(),
      gtid: { domain: 0, server: 1, seq: BigInt(seq) },
      standalone,
      xa,
    }),
    query: (sql: string): BinlogEvent => ({
      kind: "query",
      header: header(),
      db: "shop",
      sql,
      errorCode: 0,
    }),
    xid: (): BinlogEvent => ({ kind: "xid", header: header(), xid: 1n }),
    rows: (values: readonly number[], map = numbers): BinlogEvent => {
      const bytes = Buffer.alloc(values.length * 5);
      for (const [i, value] of values.entries()) bytes.writeInt32LE(value, i * 5 + 1);
      const images = {
        presentBefore: null,
        presentAfter: null,
        bytes,
        start: 0,
        end: bytes.length,
      };
      return { kind: "rows", header: header(), op: "I", map, ...images };
    },
    rotate: (file: string, fake: boolean, at = 4n): BinlogEvent => ({
      kind: "rotate",
      header: header(50, fake),
      file,
      pos: at,
      fake,
    }),
    format: (artificial: boolean): BinlogEvent => ({
      kind: "format_description",
      header: header(120, artificial),
      serverVersion: "8.0.0",
      checksum: "crc32",
    }),
    heartbeat: (file: string, at: bigint): BinlogEvent => ({
      kind: "heartbeat",
      header: { ...header(60, true) },
      file,
      pos: at,
    }),
    incident: (): BinlogEvent => ({ kind: "incident", header: header(), message: "LOST_EVENTS" }),
    statement: (what: string): BinlogEvent => ({ kind: "statement", header: header(), what }),
    xaPrepare: (): BinlogEvent => ({ kind: "xa_prepare", header: header(), onePhase: true }),
  };
}

type Options = {
  readonly resume?: Partial<MysqlPosition>;
  readonly flavor?: "mysql" | "mariadb";
  readonly excluded?: string;
};

function stream({ resume, flavor = "mysql", excluded }: Options = {}): RowStream {
  const start = { file: "binlog.000001", pos: 4, lineage: "L", ...resume };
  return createRowStream({
    flavor,
    lineage: "L",
    resume: mysqlPositionSchema.parse(start),
    filter: (_db, table) => table !== excluded,
    schema: () => schema,
    eventIdent: "rows",
  });
}

function pushAll(to: RowStream, events: readonly BinlogEvent[]): Packet[] {
  return events.flatMap((event) => to.push(event));
}

function place(position: unknown): MysqlPosition {
  return JSON.parse(JSON.stringify(position));
}

function values(packets: readonly Packet[]): unknown[] {
  return packets.map((packet) => changeOf(packet).after![0]);
}

describe("positions", () => {
  test("a row's position is its transaction's start, the GTIDs before it and the rows up to it", () => {
    const s = script();
    const rows = stream({ resume: { gtid: `${uuid}:1-9` } });
    pushAll(rows, [s.gtid(10), s.query("BEGIN"), s.rows([1]), s.xid()]);
    const start = s.pos();
    const packets = pushAll(rows, [s.gtid(11), s.query("BEGIN"), s.rows([1, 2]), s.rows([3])]);
    const at = { lineage: "L", file: "binlog.000001", pos: start, gtid: `${uuid}:1-10` };
    const txn = `${uuid}:11`;
    expect(packets.map(({ position }) => place(position))).toEqual([
      { ...at, txn, rows: 1 },
      { ...at, txn, rows: 2 },
      { ...at, txn, rows: 3 },
    ]);
    expect(packets.map((packet) => changeOf(packet).ordinal)).toEqual([0, 1, 2]);
    expect(changeOf(packets[0]!).txn).toEqual({ gtid: txn, serverId: 5 });
    expect(place(rows.position())).toEqual({ ...at, txn, rows: 3 });
    expect(rows.inTransaction()).toBe(true);
    pushAll(rows, [s.xid()]);
    const after = { pos: s.pos(), gtid: `${uuid}:1-11`, txn: null, rows: 0 };
    expect(place(rows.position())).toEqual({ ...at, ...after });
    expect(rows.inTransaction()).toBe(false);
  });

  test("every position is accepted by the schema that stored positions go through", () => {
    const s = script();
    const rows = stream();
    const packets = pushAll(rows, [s.gtid(1), s.query("BEGIN"), s.rows([1, 2])]);
    for (const position of [...packets.map((packet) => packet.position), rows.position()]) {
      expect(mysqlPositionSchema.parse(place(position))).toEqual(place(position));
    }
  });

  test("offsets go on beyond 4 GiB where the header's have wrapped (fault 14)", () => {
    const s = script(2 ** 32 - 150);
    const rows = stream({ resume: { pos: 2 ** 32 - 150 } });
    const packets = pushAll(rows, [s.anonymous(), s.query("BEGIN"), s.rows([1]), s.xid()]);
    expect(changeOf(packets[0]!).pos).toBe(2 ** 32 + 50);
    expect(place(rows.position()).pos).toBe(2 ** 32 + 250);
    expect(place(packets[0]!.position).pos).toBe(2 ** 32 - 150);
  });

  test("what the server passes over moves the offset", () => {
    const s = script();
    const rows = stream({ resume: { gtid: `${uuid}:1` } });
    s.gap(5000);
    const start = s.pos();
    const [packet] = pushAll(rows, [s.gtid(2), s.query("BEGIN"), s.rows([1])]);
    expect(place(packet!.position).pos).toBe(start);
  });

  test("artificial events do not move it, a real rotation does", () => {
    const s = script(700);
    const rows = stream({ resume: { pos: 700 } });
    pushAll(rows, [s.rotate("binlog.000001", true, 700n), s.format(true)]);
    expect(place(rows.position())).toMatchObject({ file: "binlog.000001", pos: 700 });
    pushAll(rows, [s.anonymous(), s.query("CREATE TABLE t (a int)")]);
    expect(place(rows.position())).toMatchObject({ file: "binlog.000001", pos: 900 });
    pushAll(rows, [s.rotate("binlog.000002", false)]);
    expect(place(rows.position())).toMatchObject({ file: "binlog.000002", pos: 4 });
  });

  test("a heartbeat tells how far the server has looked, also beyond 4 GiB", () => {
    const s = script();
    const rows = stream();
    pushAll(rows, [s.heartbeat("binlog.000001", 6_000_000_000n)]);
    expect(rows.progress()).toEqual({ file: "binlog.000001", pos: 6_000_000_000, timestamp: 1000 });
    pushAll(rows, [s.heartbeat("binlog.000001", 20n), s.heartbeat("other.000001", 9_000_000_000n)]);
    expect(rows.progress().pos).toBe(6_000_000_000);
  });

  test("GTIDs stay unknown where reading began without them", () => {
    const s = script();
    const rows = stream();
    pushAll(rows, [s.gtid(11), s.query("BEGIN"), s.rows([1]), s.xid()]);
    expect(place(rows.position()).gtid).toBeNull();
  });
});

describe("resuming", () => {
  test("in a transaction skips exactly the rows that were settled, by its GTID", () => {
    for (let settled = 0; settled <= 5; settled++) {
      const s = script();
      const resume = { gtid: `${uuid}:1-9`, txn: settled ? `${uuid}:10` : null, rows: settled };
      const rows = stream({ resume });
      const events = [s.gtid(10), s.query("BEGIN"), s.rows([1, 2]), s.rows([3, 4, 5])];
      const packets = pushAll(rows, events);
      expect(values(packets)).toEqual([1, 2, 3, 4, 5].slice(settled));
      expect(packets.map((packet) => changeOf(packet).ordinal)).toEqual(
        [0, 1, 2, 3, 4].slice(settled),
      );
      expect(place(rows.position()).rows).toBe(5);
    }
  });

  test("before the settled rows have come again, the position still counts them", () => {
    const s = script();
    const rows = stream({ resume: { gtid: `${uuid}:1-9`, txn: `${uuid}:10`, rows: 4 } });
    pushAll(rows, [s.gtid(10), s.query("BEGIN"), s.rows([1, 2])]);
    expect(place(rows.position()).rows).toBe(4);
  });

  test("skips nothing of another transaction that comes first on another server", () => {
    const s = script();
    const rows = stream({ resume: { gtid: `${uuid}:1-9`, txn: `${uuid}:11`, rows: 1 } });
    const other = [s.gtid(10), s.query("BEGIN"), s.rows([1, 2]), s.xid()];
    const ours = [s.gtid(11), s.query("BEGIN"), s.rows([3, 4]), s.xid()];
    expect(values(pushAll(rows, [...other, ...ours]))).toEqual([1, 2, 4]);
  });

  test("what is to be skipped is still known when only the head of a stream has come", () => {
    for (const txn of [`${uuid}:10`, null]) {
      const resume = { pos: 400, gtid: txn && `${uuid}:1-9`, txn, rows: 2 };
      const rows = stream({ resume });
      const s = script(400);
      pushAll(rows, [s.rotate("binlog.000001", true, 400n), s.format(true)]);
      const seen = place(rows.position());
      expect(seen).toEqual({ lineage: "L", file: "binlog.000001", ...resume });
      const next = stream({ resume: seen });
      const begin = [s.rotate("binlog.000001", true, 400n), s.format(true), s.gtid(10)];
      const all = [...begin, s.query("BEGIN"), s.rows([1, 2, 3]), s.xid()];
      expect(values(pushAll(next, all))).toEqual([3]);
      expect(place(next.position()).rows).toBe(0);
    }
  });

  test("an event of many rows is read a thousand at a time, each place as if it were whole", () => {
    const s = script();
    const rows = stream({ resume: { txn: `${uuid}:1`, rows: 3 } });
    pushAll(rows, [s.gtid(1), s.query("BEGIN")]);
    const many = s.rows(Array.from({ length: 2_503 }, (_, i) => i));
    const parts = [rows.push(many)];
    expect(() => rows.push(s.xid())).toThrow(expect.objectContaining({ code: "INVARIANT" }));
    expect(rows.position().toJSON().rows).toBe(1_003);
    while (rows.unfinished) parts.push(rows.more());
    expect(parts.map(({ length }) => length)).toEqual([1_000, 1_000, 500]);
    const packets = parts.flat();
    const counts = packets.map(({ position }) => place(position).rows);
    expect(counts).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 4));
    expect(values(packets)).toEqual(counts.map((rows) => rows - 1));
    rows.push(s.xid());
    expect(place(rows.position())).toMatchObject({ pos: s.pos(), txn: null, rows: 0 });
  });

  test("without GTIDs goes by the very place of the transaction", () => {
    const s = script();
    const here = stream({ resume: { rows: 1 } });
    expect(values(pushAll(here, [s.anonymous(), s.query("BEGIN"), s.rows([1, 2])]))).toEqual([2]);
    const elsewhere = script(104);
    const there = stream({ resume: { rows: 1 } });
    const events = [elsewhere.anonymous(), elsewhere.query("BEGIN"), elsewhere.rows([1, 2])];
    expect(values(pushAll(there, events))).toEqual([1, 2]);
  });

  test("a transaction with fewer rows than were settled is another one: a code, not a guess", () => {
    const s = script();
    const rows = stream({ resume: { gtid: null, txn: `${uuid}:10`, rows: 9 } });
    const events = [s.gtid(10), s.query("BEGIN"), s.rows([1, 2])];
    expect(pushAll(rows, events)).toEqual([]);
    expect(() => rows.push(s.xid())).toThrow(expect.objectContaining({ code: "POSITION_LOST" }));
  });

  test("rows of excluded tables count, so that the filter may change meanwhile", () => {
    const hidden = { ...numbers, table: "hidden" };
    const s = script();
    const events = [s.gtid(1), s.query("BEGIN"), s.rows([1, 2], hidden), s.rows([3, 4])];
    const packets = pushAll(stream({ excluded: "hidden" }), events);
    expect(values(packets)).toEqual([3, 4]);
    expect(packets.map(({ position }) => place(position).rows)).toEqual([3, 4]);
    const again = script();
    const resume = { txn: `${uuid}:1`, rows: 3 };
    const all = [
      again.gtid(1),
      again.query("BEGIN"),
      again.rows([1, 2], hidden),
      again.rows([3, 4]),
    ];
    expect(values(pushAll(stream({ resume }), all))).toEqual([4]);
  });

  test("a recorded shop gives the same rows from wherever it is gone on with", async () => {
    const events = await eventBytes(shop);
    const all = packetsOf(events, { flavor: "mysql" });
    const texts = all.map(({ payload }) => Bun.inspect(payload));
    for (const at of [0, 1, 17, 60, all.length - 1]) {
      const resume = place(all[at]!.position);
      const starts = await offsets(events);
      const from = [events[0]!, ...events.slice(starts.indexOf(resume.pos))];
      const rest = packetsOf(from, { flavor: "mysql", resume });
      expect(rest.map(({ payload }) => Bun.inspect(payload))).toEqual(texts.slice(at + 1));
    }
  });
});

async function offsets(events: readonly Buffer[]): Promise<number[]> {
  let pos = 4;
  return events.map((event) => {
    const start = pos;
    pos += event.length;
    return start;
  });
}

describe("transactions", () => {
  test("a statement of its own ends its transaction, in both flavors", () => {
    const s = script();
    const rows = stream({ resume: { gtid: "" } });
    pushAll(rows, [s.gtid(1), s.query("CREATE TABLE t (a int)")]);
    expect(place(rows.position())).toMatchObject({ pos: s.pos(), gtid: `${uuid}:1` });
    const m = script();
    const mariadb = stream({ flavor: "mariadb", resume: { gtid: "" } });
    pushAll(mariadb, [m.mariadb(1, true), m.query("CREATE TABLE t (a int)")]);
    expect(place(mariadb.position())).toMatchObject({ pos: m.pos(), gtid: "0-1-1" });
  });

  test("MariaDB's transactions have no BEGIN", () => {
    const s = script();
    const rows = stream({ flavor: "mariadb", resume: { gtid: "0-1-4" } });
    const packets = pushAll(rows, [s.mariadb(5, false), s.rows([1]), s.query("SAVEPOINT a")]);
    expect(rows.inTransaction()).toBe(true);
    expect(changeOf(packets[0]!).txn.gtid).toBe("0-1-5");
    pushAll(rows, [s.query("COMMIT")]);
    expect(place(rows.position())).toMatchObject({ gtid: "0-1-5", rows: 0 });
  });

  test("rows behind CREATE TABLE ... SELECT belong to its transaction", () => {
    const s = script();
    const rows = stream({ resume: { gtid: "" } });
    const create = s.query("CREATE TABLE `t` (`n` int) START TRANSACTION");
    const packets = pushAll(rows, [s.gtid(1), create, s.rows([1]), s.xid()]);
    expect(changeOf(packets[0]!).txn.gtid).toBe(`${uuid}:1`);
    expect(place(rows.position()).gtid).toBe(`${uuid}:1`);
  });

  test("what a crash of the server left open ends with the next file", () => {
    const s = script();
    const rows = stream({ resume: { gtid: "" } });
    pushAll(rows, [s.gtid(1), s.query("BEGIN"), s.rows([1])]);
    pushAll(rows, [s.rotate("binlog.000002", true), script().format(false)]);
    expect(rows.inTransaction()).toBe(false);
    expect(place(rows.position())).toMatchObject({ file: "binlog.000002", gtid: "" });
  });

  const refused: readonly (readonly [
    string,
    string,
    (s: ReturnType<typeof script>) => BinlogEvent[],
  ])[] = [
    [
      "rows that are rolled back",
      "BINLOG_EVENT_UNSUPPORTED",
      (s) => [s.rows([1]), s.query("ROLLBACK")],
    ],
    [
      "a rolled back part",
      "BINLOG_EVENT_UNSUPPORTED",
      (s) => [s.rows([1]), s.query("ROLLBACK TO `a`")],
    ],
    ["an XA transaction", "BINLOG_EVENT_UNSUPPORTED", (s) => [s.query("XA START X'61',X'',1")]],
    ["an XA prepare", "BINLOG_EVENT_UNSUPPORTED", (s) => [s.xaPrepare()]],
    ["MariaDB's XA", "BINLOG_EVENT_UNSUPPORTED", (s) => [s.mariadb(1, false, true)]],
    ["a logged statement", "MYSQL_BINLOG_FORMAT", (s) => [s.query("UPDATE t SET a = 1")]],
    ["a logged LOAD DATA", "MYSQL_BINLOG_FORMAT", (s) => [s.statement("LOAD DATA")]],
    ["an incident", "BINLOG_INCIDENT", (s) => [s.incident()]],
    ["rows without a column", "BINLOG_EVENT_UNSUPPORTED", (s) => [s.rows([])]],
  ];
  for (const [what, code, events] of refused) {
    test(`${what} end with ${code} and their place`, () => {
      const s = script();
      const rows = stream();
      pushAll(rows, [s.gtid(1), s.query("BEGIN")]);
      const failing = () => pushAll(rows, events(s));
      expect(failing).toThrow(expect.objectContaining({ code }));
      const again = script();
      const other = stream();
      pushAll(other, [again.gtid(1), again.query("BEGIN")]);
      expect(() => pushAll(other, events(again))).toThrow(/at binlog\.000001:\d+\)$/);
    });
  }

  test("a ROLLBACK without rows and INTVAR before a DDL are harmless", () => {
    const s = script();
    const rows = stream({ resume: { gtid: "" } });
    pushAll(rows, [s.gtid(1), s.query("BEGIN"), s.query("ROLLBACK")]);
    pushAll(rows, [s.gtid(2), s.statement("INTVAR"), s.query("CREATE TABLE t (a int)")]);
    expect(place(rows.position()).gtid).toBe(`${uuid}:1-2`);
  });
});

describe("schemas", () => {
  const announce = (map: TableMap): BinlogEvent => ({
    kind: "table_map",
    header: { timestamp: 1, type: 19, serverId: 1, size: 9, logPos: 0, flags: 0, nested: false },
    map,
  });

  function withSchema(found: TableSchema | undefined, filter = true): RowStream {
    return createRowStream({
      ...{ flavor: "mysql", lineage: "L" },
      resume: null,
      filter: () => filter,
      schema: () => found,
      eventIdent: "x",
    });
  }

  test("are asked for only where the names are missing and the table is wanted", () => {
    const named = { ...numbers, metadata: { ...noMetadata, names: ["n"] } };
    expect(withSchema(schema).needs(announce(numbers))?.named).toBe(false);
    expect(withSchema(schema).needs(announce(named))).toBeNull();
    expect(withSchema(schema).needs(announce({ ...named, hides: true }))?.named).toBe(true);
    expect(withSchema(schema, false).needs(announce(numbers))).toBeNull();
    const rows = withSchema(schema);
    rows.push(script().rows([1]));
    expect(rows.needs(announce(numbers))).toBeNull();
    expect(rows.needs(announce({ ...numbers }))).not.toBeNull();
  });

  const column = schema.columns[0]!;
  const wrong: readonly (readonly [string, TableSchema | undefined])[] = [
    ["nobody knows", undefined],
    ["another number of columns", { columns: [column, column], primaryKey: [] }],
    ["another type", { columns: [{ ...column, type: "bigint" }], primaryKey: [] }],
    ["text instead", { columns: [{ ...column, type: "varchar(9)" }], primaryKey: [] }],
    ["not null by now", { columns: [{ ...column, nullable: false }], primaryKey: [] }],
  ];
  for (const [what, found] of wrong) {
    test(`rows are not given wrong names: ${what}`, () => {
      const failing = () => withSchema(found).push(script().rows([1]));
      expect(failing).toThrow(
        expect.objectContaining({
          code: "SCHEMA_UNKNOWN",
          remedy: "SET GLOBAL binlog_row_metadata = FULL",
        }),
      );
      expect(failing).toThrow("shop.numbers");
    });
  }

  test("a type that cannot be read yet stops only those who want its table", () => {
    const shapes: TableMap = {
      ...numbers,
      table: "shapes",
      types: new Uint8Array([columnType.mariadbBlobCompressed]),
      meta: [4],
    };
    const packed = { ...column, type: "blob /*!100301 COMPRESSED*/" };
    const compressed = { columns: [packed], primaryKey: [] };
    const bytes = Buffer.from("000300000001020300", "hex").subarray(0, 8);
    const event = { ...script().rows([1], shapes), bytes, end: bytes.length } as BinlogEvent;
    const excluded = withSchema(undefined, false);
    expect(excluded.push(event)).toEqual([]);
    expect(place(excluded.position()).rows).toBe(1);
    const named = { ...shapes, metadata: { ...noMetadata, names: ["p"], collations: [63] } };
    const wanted = { ...event, map: named } as BinlogEvent;
    expect(() => withSchema(undefined).push(wanted)).toThrow(
      expect.objectContaining({ code: "BINLOG_TYPE_UNSUPPORTED" }),
    );
    expect(() => withSchema(compressed).push(event)).toThrow();
  });
});

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type BinlogDecoder, createBinlogDecoder } from "#src/clients/mysql/binlog/decoder.ts";
import type { BinlogEvent } from "#src/clients/mysql/binlog/event.ts";
import { eventBytes } from "../../../support/binlog-rows.ts";

const fixtures = join(import.meta.dir, "../../../fixtures/binlog");
const shop = join(import.meta.dir, "../../../../etc/quickstart/shop.binlog");

type Fields = { readonly logPos?: number; readonly flags?: number; readonly time?: number };

/** A whole event, with or without a checksum behind it. */
function event(type: number, body: Uint8Array, checksum: boolean, fields: Fields = {}): Buffer {
  const bytes = Buffer.alloc(19 + body.length + (checksum ? 4 : 0));
  bytes.writeUInt32LE(fields.time ?? 0, 0);
  bytes[4] = type;
  bytes.writeUInt32LE(1, 5);
  bytes.writeUInt32LE(bytes.length, 9);
  bytes.writeUInt32LE(fields.logPos ?? 0, 13);
  bytes.writeUInt16LE(fields.flags ?? 0, 17);
  bytes.set(body, 19);
  if (checksum) bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

function rotate(file: string, checksum: boolean, fields?: Fields): Buffer {
  const body = Buffer.alloc(8 + file.length);
  body.writeBigUInt64LE(4n, 0);
  body.write(file, 8);
  return event(4, body, checksum, fields);
}

/** A format description; `closed` takes the flag away that its file is being written. */
function format(algorithm: number, fields: Fields = { logPos: 127 }): Buffer {
  const body = Buffer.alloc(57 + 42 + 1);
  body.writeUInt16LE(4, 0);
  body.write("8.0.44", 2);
  body[56] = 19;
  body[body.length - 1] = algorithm;
  return event(15, body, true, fields);
}

function ready(algorithm = 1): BinlogDecoder {
  const decoder = createBinlogDecoder();
  decoder.decode(format(algorithm));
  return decoder;
}

function codeOf(work: () => unknown): unknown {
  try {
    work();
    return "no error";
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

describe("checksums", () => {
  test("a fake rotation before the format description is read with and without one", () => {
    for (const checksum of [true, false]) {
      const decoder = createBinlogDecoder();
      const read = decoder.decode(rotate("binlog.000042", checksum, { flags: 0x20 }));
      expect(read).toMatchObject({ kind: "rotate", file: "binlog.000042", pos: 4n, fake: true });
    }
  });

  test("a fake rotation whose bytes are wrong is not taken for one without a checksum", () => {
    const bytes = rotate("binlog.000042", true, { flags: 0x20 });
    bytes[30] = bytes[30]! ^ 1;
    expect(codeOf(() => ready().decode(bytes))).toBe("BINLOG_CHECKSUM");
  });

  test("with an agreed checksum no wrong byte of what comes first is believed", () => {
    const first = rotate("binlog.000042", true, { flags: 0x20 });
    for (const bytes of [first, format(1, { logPos: 0 }), format(1)]) {
      for (let at = 0; at < bytes.length; at++) {
        // The size is compared with the length before.
        if (at >= 9 && at < 13) continue;
        for (const bits of [1, 0x80, 0xff]) {
          if (bytes[4] === 15 && at === 17 && bits === 1) continue;
          const wrong = Buffer.from(bytes);
          wrong[at] = wrong[at]! ^ bits;
          const decoder = createBinlogDecoder({ checksum: "crc32" });
          expect(`${at} ${codeOf(() => decoder.decode(wrong))}`).toBe(`${at} BINLOG_CHECKSUM`);
        }
      }
      const decoder = createBinlogDecoder({ checksum: "crc32" });
      expect(codeOf(() => decoder.decode(bytes))).toBe("no error");
    }
  });

  test("a file written without checksums is read from a server that has them now", () => {
    const decoder = createBinlogDecoder({ checksum: "crc32" });
    decoder.decode(rotate("binlog.000042", true, { flags: 0x20 }));
    const changed = format(0, { logPos: 0 });
    changed.writeUInt32LE(12345, 0);
    decoder.decode(changed);
    const xid = Buffer.alloc(8, 1);
    expect(decoder.decode(event(16, xid, false)).kind).toBe("xid");
    const next = rotate("binlog.000043", false, { flags: 0x20 });
    expect(decoder.decode(next)).toMatchObject({ kind: "rotate", file: "binlog.000043" });
    // Only the first format description of a stream may come without one of its own.
    expect(codeOf(() => decoder.decode(changed))).toBe("BINLOG_CHECKSUM");
  });

  test("a format description with a wrong byte is not taken for one of another version", () => {
    for (let at = 19; at < 100; at++) {
      const wrong = format(1);
      wrong[at] = wrong[at]! ^ 4;
      expect(codeOf(() => createBinlogDecoder().decode(wrong))).toBe("BINLOG_CHECKSUM");
    }
  });

  test("a format description of before checksums is one that cannot be read", () => {
    const body = Buffer.alloc(57 + 27);
    body.writeUInt16LE(4, 0);
    body.write("5.5.62-log", 2);
    body[56] = 19;
    const old = event(15, body, false, { logPos: 107 });
    expect(codeOf(() => createBinlogDecoder().decode(old))).toBe("BINLOG_EVENT_UNSUPPORTED");
  });

  test("an event of a file without checksums ends where it says", () => {
    const xid = Buffer.alloc(8);
    xid.writeBigUInt64LE(77n);
    expect(ready(0).decode(event(16, xid, false))).toMatchObject({ kind: "xid", xid: 77n });
    expect(codeOf(() => ready(1).decode(event(16, xid, false)))).toBe("BINLOG_CHECKSUM");
  });

  test("the flag that a file is being written is in no checksum", () => {
    const bytes = format(1);
    bytes[17] = 1;
    expect(codeOf(() => ready().decode(bytes))).toBe("no error");
    bytes[17] = 3;
    expect(codeOf(() => ready().decode(bytes))).toBe("BINLOG_CHECKSUM");
  });

  test("one wrong bit in a format description does not turn the checks off", () => {
    for (const fields of [{ logPos: 127 }, { logPos: 0 }]) {
      const bytes = format(1, fields);
      bytes[bytes.length - 5] = 0;
      expect(codeOf(() => ready().decode(bytes))).toBe("BINLOG_CHECKSUM");
    }
  });
});

describe("events", () => {
  test("nothing is read before a format description", () => {
    const decoder = createBinlogDecoder();
    expect(codeOf(() => decoder.decode(event(16, Buffer.alloc(8), true)))).toBe("BINLOG_CORRUPT");
  });

  test("what is not known is passed over only where its writer allows it", () => {
    expect(codeOf(() => ready().decode(event(99, Buffer.alloc(5), true)))).toBe(
      "BINLOG_EVENT_UNSUPPORTED",
    );
    const ignorable = ready().decode(event(99, Buffer.alloc(5), true, { flags: 0x80 }));
    expect(ignorable.kind).toBe("ignorable");
    expect(codeOf(() => ready().decode(event(39, Buffer.alloc(30), true)))).toBe(
      "BINLOG_EVENT_UNSUPPORTED",
    );
  });

  test("servers and checksums of other times are refused", () => {
    const old = format(1);
    old.write("5.1.73\0", 19 + 2);
    old.writeUInt32LE(Bun.hash.crc32(old.subarray(0, -4)), old.length - 4);
    expect(codeOf(() => ready().decode(old))).toBe("BINLOG_EVENT_UNSUPPORTED");
    expect(codeOf(() => ready().decode(format(7)))).toBe("BINLOG_EVENT_UNSUPPORTED");
  });

  test("heartbeats of both versions tell the file and the offset", () => {
    const first = event(27, Buffer.from("binlog.000003"), true, { logPos: 4000 });
    const one = { kind: "heartbeat", file: "binlog.000003", pos: 4000n };
    expect(ready().decode(first)).toMatchObject(one);
    const fields = Buffer.from("010d62696e6c6f672e3030303030330209fe0000000002000000", "hex");
    const second = ready().decode(event(41, Buffer.concat([fields, Buffer.from([0])]), true));
    expect(second).toMatchObject({ kind: "heartbeat", pos: 8_589_934_592n });
  });

  test("a rotation names a file and nothing that leads elsewhere", () => {
    for (const name of ["../../etc/passwd", "", "a\nb", "x".repeat(600)]) {
      expect(codeOf(() => ready().decode(rotate(name, true, { logPos: 200 })))).toBe(
        "BINLOG_CORRUPT",
      );
    }
  });

  test("rows of a table that was not announced are refused, the empty end mark is not", () => {
    const body = Buffer.alloc(12);
    body.writeUIntLE(5, 0, 6);
    body.writeUInt16LE(2, 8);
    expect(codeOf(() => ready().decode(event(30, body, true)))).toBe("BINLOG_CORRUPT");
    body.writeUIntLE(0xffffff, 0, 6);
    expect(ready().decode(event(30, body, true)).kind).toBe("ignorable");
  });

  test("a table that did not change is the same object, a changed one is another", async () => {
    const decoder = createBinlogDecoder();
    const maps = (await eventBytes(shop))
      .map((bytes) => decoder.decode(bytes))
      .filter((read): read is BinlogEvent & { kind: "table_map" } => read.kind === "table_map")
      .map(({ map }) => map);
    const customers = new Set(maps.filter(({ table }) => table === "customers"));
    expect([...customers].map(({ columnCount }) => columnCount)).toEqual([5, 6]);
    expect(new Set(maps).size).toBe(4);
  });

  test("every recorded event has a kind of its own", async () => {
    for (const flavor of ["mysql", "mariadb"] as const) {
      const decoder = createBinlogDecoder();
      const events = await eventBytes(join(fixtures, `${flavor}-types.binlog`));
      const kinds = new Set(events.map((bytes) => decoder.decode(bytes).kind));
      for (const kind of ["format_description", "query", "table_map", "rows", "xid", "rotate"]) {
        expect(kinds).toContain(kind as BinlogEvent["kind"]);
      }
      expect(kinds).toContain(flavor === "mysql" ? "previous_gtids" : "mariadb_gtid_list");
    }
  });
});

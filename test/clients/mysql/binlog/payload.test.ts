import { describe, expect, test } from "bun:test";
import { createBinlogDecoder } from "#src/clients/mysql/binlog/decoder.ts";
import { type BinlogEvent, eventsOf } from "#src/clients/mysql/binlog/event.ts";

function event(type: number, body: Uint8Array, checksum: boolean): Buffer {
  const bytes = Buffer.alloc(19 + body.length + (checksum ? 4 : 0));
  bytes[4] = type;
  bytes.writeUInt32LE(bytes.length, 9);
  bytes.set(body, 19);
  if (checksum) bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

function format(): Buffer {
  const body = Buffer.alloc(57 + 42 + 1);
  body.writeUInt16LE(4, 0);
  body.write("8.0.44", 2);
  body[56] = 19;
  body[body.length - 1] = 1;
  return event(15, body, true);
}

function packed8(value: number): number[] {
  const bytes = Buffer.alloc(9, 0xfe);
  bytes.writeBigUInt64LE(BigInt(value), 1);
  return [...bytes];
}

/** A payload event around compressed events that claim to have been `size` bytes. */
function payload(zip: Uint8Array, size: number): Buffer {
  const fields = [2, 1, 0, 3, 9, ...packed8(size), 1, 9, ...packed8(zip.length), 0];
  return event(40, Buffer.concat([Buffer.from(fields), zip]), true);
}

/** A text of `bytes` bytes as a statement's comment: event type 29, a length, the text. */
const text = (bytes: number) => event(29, Buffer.alloc(bytes + 1, 97), false);

async function eventsIn(
  bytes: Buffer,
  options: Parameters<typeof createBinlogDecoder>[0] = {},
): Promise<BinlogEvent[]> {
  const decoder = createBinlogDecoder(options);
  decoder.decode(format());
  const events: BinlogEvent[] = [];
  for await (const one of eventsOf(decoder.decode(bytes))) events.push(one);
  return events;
}

async function codeOf(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => "no error",
    (error) => (error as { code?: string }).code,
  );
}

describe("a compressed transaction", () => {
  test("is unpacked while its events are taken, however they lie in the pieces", async () => {
    const sizes = [10, 700_000, 1, 300_000, 262_100, 262_100, 25, 5_000_000, 3];
    const events = Buffer.concat(sizes.map(text));
    const found = await eventsIn(payload(Bun.zstdCompressSync(events), events.length));
    const lengths = found.map((one) => (one.kind === "annotate" ? one.sql.length : one.kind));
    expect(lengths).toEqual(sizes);
  });

  test("of any size takes the memory of its largest event", async () => {
    const events = Buffer.concat(Array.from({ length: 512 }, () => text(1 << 20)));
    const bytes = payload(Bun.zstdCompressSync(events), events.length);
    const decoder = createBinlogDecoder();
    decoder.decode(format());
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    let most = 0;
    let count = 0;
    for await (const _ of eventsOf(decoder.decode(bytes))) {
      if (++count % 32 === 0) Bun.gc(true);
      most = Math.max(most, process.memoryUsage.rss());
    }
    expect(count).toBe(512);
    expect((most - before) / 2 ** 20).toBeLessThan(200);
  }, 30_000);

  test("with an event above the limit is refused, small or large", async () => {
    for (const sizes of [[500], [500, 2_000_000]]) {
      const events = Buffer.concat([text(10), ...sizes.map(text)]);
      const bytes = payload(Bun.zstdCompressSync(events), events.length);
      expect(await codeOf(() => eventsIn(bytes, { eventBytesMax: 400 }))).toBe(
        "MYSQL_EVENT_TOO_LARGE",
      );
    }
  });

  test("whose texts of statements are above the limit is read on behind them", async () => {
    for (const sizes of [
      [500, 10],
      [10, 2_000_000, 10, 262_125, 20, 900, 30],
    ]) {
      const events = Buffer.concat(sizes.map(text));
      const bytes = payload(Bun.zstdCompressSync(events), events.length);
      const found = await eventsIn(bytes, { eventBytesMax: 400, onEventTooLarge: "skip" });
      const lengths = found.map((one) => (one.kind === "annotate" ? one.sql.length : one.kind));
      expect(lengths).toEqual(sizes.map((size) => (size > 380 ? "ignorable" : size)));
    }
  });

  test("that is not what it claims to be is refused", async () => {
    for (const events of [text(100), Buffer.concat([text(2_000_000), text(100)])]) {
      const zip = Bun.zstdCompressSync(events);
      for (const size of [events.length - 1, events.length + 1]) {
        expect(await codeOf(() => eventsIn(payload(zip, size)))).toBe("BINLOG_CORRUPT");
      }
      const torn = Bun.zstdCompressSync(events.subarray(0, -1));
      const short = payload(torn, events.length - 1);
      expect(await codeOf(() => eventsIn(short))).toBe("BINLOG_CORRUPT");
      const broken = Buffer.from(zip);
      broken[0] = 1;
      expect(await codeOf(() => eventsIn(payload(broken, events.length)))).toBe("BINLOG_CORRUPT");
      const half = payload(zip.subarray(0, zip.length >> 1), events.length);
      expect(await codeOf(() => eventsIn(half))).toBe("BINLOG_CORRUPT");
    }
  });
});

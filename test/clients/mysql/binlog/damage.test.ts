import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { createBinlogDecoder } from "#src/clients/mysql/binlog/decoder.ts";
import { openBinlogFile } from "#src/clients/mysql/binlog/file-reader.ts";
import { createRowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import { DbusError } from "#src/errors.ts";
import { eventBytes, eventsAtOnce, rowsAtOnce } from "../../../support/binlog-rows.ts";

const fixtures = join(import.meta.dir, "../../../fixtures/binlog");
const shop = join(import.meta.dir, "../../../../etc/quickstart/shop.binlog");
const dir = mkdtempSync(join(tmpdir(), "dbus-damage-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** The rows of all events, as text; the events before `from` must be sound. */
function rowsOf(events: readonly Uint8Array[]): string[] {
  const decoder = createBinlogDecoder({ eventBytesMax: 1_000_000 });
  const stream = createRowStream({
    flavor: "mysql",
    lineage: "t",
    resume: null,
    filter: () => true,
    schema: () => undefined,
    eventIdent: "x",
  });
  const rows: string[] = [];
  for (const bytes of events) {
    for (const event of eventsAtOnce(decoder.decode(bytes))) {
      for (const { payload } of rowsAtOnce(stream, event)) rows.push(Bun.inspect(payload));
    }
  }
  return rows;
}

/** The code of what it throws; null when it does not. Anything but a `DbusError` fails the test. */
function codeOf(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof DbusError && error.kind !== "bug") return error.code;
    throw error;
  }
}

function withChecksum(event: Uint8Array): Buffer {
  const copy = Buffer.from(event);
  copy.writeUInt32LE(Bun.hash.crc32(copy.subarray(0, -4)), copy.length - 4);
  return copy;
}

/** The shortest event of each type, with all that has to come before it. */
async function oneOfEach(path: string): Promise<{ before: Buffer[]; event: Buffer }[]> {
  const events = await eventBytes(path);
  const shortest = new Map<number, number>();
  for (const [i, event] of events.entries()) {
    const known = shortest.get(event[4]!);
    if (known === undefined || events[known]!.length > event.length) shortest.set(event[4]!, i);
  }
  return [...shortest.values()].map((i) => ({ before: events.slice(0, i), event: events[i]! }));
}

describe("damaged events", () => {
  test("no flipped bit gets past the checksum", async () => {
    for (const { before, event } of await oneOfEach(shop)) {
      const decoder = createBinlogDecoder();
      for (const sound of before) decoder.decode(sound);
      for (let bit = 0; bit < event.length * 8; bit++) {
        const damaged = Buffer.from(event);
        damaged[bit >> 3] = damaged[bit >> 3]! ^ (1 << (bit & 7));
        // The flag that a file is in use is the one thing that no checksum covers.
        if (event[4] === 15 && bit === 17 * 8) continue;
        const code = codeOf(() => decoder.decode(damaged));
        expect(`${event[4]} ${bit} ${code}`).not.toEndWith("null");
      }
      expect(codeOf(() => decoder.decode(event))).toBeNull();
    }
  });

  test("no event is taken when its end is missing", async () => {
    for (const { before, event } of await oneOfEach(shop)) {
      const decoder = createBinlogDecoder();
      for (const sound of before) decoder.decode(sound);
      for (let length = 0; length < event.length; length++) {
        const cut = Buffer.from(event.subarray(0, length));
        expect(codeOf(() => decoder.decode(cut))).not.toBeNull();
        if (length < 23) continue;
        // And with a size and a checksum that are right for what is left.
        cut.writeUInt32LE(length, 9);
        const rows = codeOf(() => rowsOf([...before, withChecksum(cut)]));
        if (event[4] === 30 || event[4] === 31 || event[4] === 32) expect(rows).not.toBeNull();
      }
    }
  });

  for (const [name, path] of [
    ["the shop", shop],
    ["MySQL's types", join(fixtures, "mysql-types.binlog")],
    ["MariaDB's types", join(fixtures, "mariadb-types.binlog")],
  ] as const) {
    test(`wrong bytes under a right checksum neither hang nor crash: ${name}`, async () => {
      const samples = await oneOfEach(path);
      const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
      fc.assert(
        fc.property(fc.nat(samples.length - 1), damage, (which, changes) => {
          const { before, event } = samples[which]!;
          const damaged = Buffer.from(event);
          for (const [at, value] of changes) damaged[19 + (at % (event.length - 19))] = value;
          codeOf(() => rowsOf([...before.slice(-3), withChecksum(damaged)]));
          codeOf(() => rowsOf([...before, withChecksum(damaged)]));
        }),
        { numRuns: 300 },
      );
    });
  }

  test("no bytes whatever make the decoder hang, crash or allocate what they claim (S18)", async () => {
    const [format] = await eventBytes(shop);
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 200 });
    fc.assert(
      fc.property(fc.nat(171), bytes, (type, body) => {
        const event = Buffer.alloc(19 + body.length + 4);
        event[4] = type;
        event.writeUInt32LE(event.length, 9);
        event.set(body, 19);
        codeOf(() => rowsOf([format!, withChecksum(event)]));
      }),
      { numRuns: 3000 },
    );
  });
});

describe("damaged files", () => {
  async function readAll(path: string): Promise<{ events: number; end: string }> {
    const reader = await openBinlogFile({ path, chunkBytes: 4096 });
    let events = 0;
    try {
      for (;;) {
        if (reader.read() !== undefined) events++;
        else {
          const filled = await reader.fill();
          if (filled !== "read") return { events, end: filled };
        }
      }
    } finally {
      await reader.close();
    }
  }

  test("a file cut at any byte gives the events before and says whether one is missing", async () => {
    const whole = Buffer.from(await Bun.file(shop).arrayBuffer()).subarray(0, 1200);
    const ends = [4];
    for (let at = 4; at + 13 < whole.length; ) {
      at += whole.readUInt32LE(at + 9);
      if (at <= whole.length) ends.push(at);
    }
    const path = join(dir, "cut.binlog");
    for (let length = 0; length <= whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      const events = Math.max(0, ends.filter((end) => end <= length).length - 1);
      const end = length === 0 || ends.includes(length) ? "end" : "partial";
      expect(await readAll(path)).toEqual({ events, end });
    }
  });

  test("a size beyond the file is told from a missing tail, and nothing is allocated for it (S18)", async () => {
    const whole = Buffer.from(await Bun.file(shop).arrayBuffer());
    const path = join(dir, "size.binlog");
    whole.writeUInt32LE(900_000_000, 127 + 9);
    await writeFile(path, whole);
    const before = process.memoryUsage.rss();
    await expect(readAll(path)).rejects.toMatchObject({ code: "BINLOG_CORRUPT" });
    expect(process.memoryUsage.rss() - before).toBeLessThan(200_000_000);
  });

  test("an event larger than what is read at a time comes whole", async () => {
    const path = join(fixtures, "mysql-types.binlog");
    const reader = await openBinlogFile({ path, chunkBytes: 64 });
    const sizes: number[] = [];
    for (;;) {
      const event = reader.read();
      if (event !== undefined) sizes.push(event.length);
      else if ((await reader.fill()) !== "read") break;
    }
    await reader.close();
    expect(sizes).toEqual((await eventBytes(path)).map((event) => event.length));
    expect(Math.max(...sizes)).toBeGreaterThan(4096);
  });

  test("an encrypted file and one that is too large are refused with codes", async () => {
    const path = join(dir, "odd.binlog");
    await writeFile(path, Buffer.from("fd62696e00000000", "hex"));
    await expect(readAll(path)).rejects.toMatchObject({ code: "BINLOG_EVENT_UNSUPPORTED" });
    const reader = await openBinlogFile({ path: shop, eventBytesMax: 100 });
    await reader.fill();
    expect(() => reader.read()).toThrow("more than 100");
    await reader.close();
  });
});

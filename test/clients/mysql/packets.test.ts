import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createPacketReader } from "#src/clients/mysql/packets.ts";
import { readServerError } from "#src/clients/mysql/reply.ts";
import type { Message } from "#src/clients/mysql/skipped-message.ts";
import { DbusError } from "#src/errors.ts";

const partMax = 0xffffff;

/** What a server would send for these messages, its sequence going on from `sequence`. */
function frame(messages: readonly Uint8Array[], sequence = 1): Buffer {
  const parts: Uint8Array[] = [];
  for (const message of messages) {
    for (let at = 0; at <= message.length; at += partMax) {
      const part = message.subarray(at, at + partMax);
      const length = part.length;
      parts.push(Buffer.from([length & 255, (length >> 8) & 255, length >> 16, sequence++ & 255]));
      parts.push(part);
      if (length < partMax) break;
    }
  }
  return Buffer.concat(parts);
}

function filled(length: number, seed: number): Buffer {
  return Buffer.alloc(length, Uint8Array.from([seed, seed * 7, seed + 3, 5, seed]));
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    return thrown instanceof DbusError ? thrown.code : String(thrown);
  }
  return "nothing thrown";
}

describe("packet reader", () => {
  test("gives the same messages however the stream is cut", () => {
    const message = fc.uint8Array({ minLength: 0, maxLength: 300 });
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (messages, cuts) => {
          const wire = frame(messages);
          const reader = createPacketReader({ bytesMax: 1_000, sequence: 1 });
          const out: Uint8Array[] = [];
          for (let at = 0, n = 0; at < wire.length; n++) {
            const end = Math.min(wire.length, at + cuts[n % cuts.length]!);
            reader.push(wire.subarray(at, end), out);
            at = end;
          }
          expect(out.map((each) => [...each])).toEqual(messages.map((each) => [...each]));
          expect(reader.pendingBytes).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("joins messages of several packets, also one that ends with an empty packet", () => {
    const messages = [
      filled(partMax * 2 + 17, 1),
      filled(partMax, 2),
      filled(3, 3),
      filled(partMax - 1, 4),
      filled(partMax + 1, 5),
    ];
    const wire = frame(messages);
    for (const step of [100_003, wire.length]) {
      const sizeOf = (bytes: Uint8Array, at: number) => messages[bytes[at]! - 1]!.length;
      const reader = createPacketReader({ bytesMax: 2 ** 30, sequence: 1, sizeOf });
      const out: Uint8Array[] = [];
      for (let at = 0; at < wire.length; at += step) reader.push(wire.subarray(at, at + step), out);
      expect(out.length).toBe(messages.length);
      out.forEach((each, n) => {
        expect(Buffer.compare(each, messages[n]!)).toBe(0);
      });
    }
  });

  test("joins them when every header comes byte by byte", () => {
    const message = filled(partMax, 9);
    const wire = frame([message, filled(2, 1)]);
    const reader = createPacketReader({ bytesMax: 2 ** 26, sequence: 1 });
    const out: Uint8Array[] = [];
    for (const byte of [0, 1, 2, 3]) reader.push(wire.subarray(byte, byte + 1), out);
    reader.push(wire.subarray(4, 4 + partMax), out);
    expect(out.length).toBe(0);
    for (let at = 4 + partMax; at < wire.length; at++) reader.push(wire.subarray(at, at + 1), out);
    expect(out.map((each) => each.length)).toEqual([partMax, 2]);
  });

  test("wraps the sequence after 255 and refuses one that is out of turn", () => {
    const reader = createPacketReader({ bytesMax: 100, sequence: 1 });
    const out: Uint8Array[] = [];
    reader.push(frame(Array.from({ length: 600 }, () => filled(1, 1))), out);
    expect(out.length).toBe(600);
    expect(codeOf(() => reader.push(frame([filled(1, 1)], 0), out))).toBe("MYSQL_PROTOCOL");
  });

  test("refuses a message above the limit before it allocates it (S18)", () => {
    const out: Uint8Array[] = [];
    const small = createPacketReader({ bytesMax: 1_000, sequence: 0 });
    const tooLong = Buffer.from([0xe9, 3, 0, 0]);
    expect(codeOf(() => small.push(tooLong, out))).toBe("MYSQL_EVENT_TOO_LARGE");
    const large = createPacketReader({ bytesMax: partMax + 10, sequence: 0 });
    large.push(frame([filled(partMax, 1)], 0).subarray(0, partMax + 4), out);
    const eleven = Buffer.from([11, 0, 0, 1]);
    expect(codeOf(() => large.push(eleven, out))).toBe("MYSQL_EVENT_TOO_LARGE");
    expect(out).toEqual([]);
  });

  test("lets go of a longer message as it comes, when it is told to, and goes on behind it", () => {
    for (const bytesMax of [1_000, partMax + 100]) {
      const long = filled(bytesMax * 2 + 5, 1);
      const wire = frame([filled(8, 2), long, filled(9, 3)]);
      for (const step of [97, 65_536, wire.length]) {
        if (wire.length / step > 100_000) continue;
        const reader = createPacketReader({ bytesMax, sequence: 1, skipLonger: true });
        const out: Message[] = [];
        let pending = 0;
        for (let at = 0; at < wire.length; at += step) {
          reader.push(wire.subarray(at, at + step), out);
          pending = Math.max(pending, reader.pendingBytes);
        }
        const [first, skipped, last] = out;
        expect([first, last]).toEqual([filled(8, 2), filled(9, 3)]);
        expect(skipped).toEqual({
          head: long.subarray(0, 64),
          length: long.length,
          crc: Bun.hash.crc32(long.subarray(1)),
        });
      }
    }
  });

  test("a wrong length is noticed as soon as the message tells its own", () => {
    const sizeOf = (bytes: Uint8Array, at: number) =>
      bytes[at] === 0
        ? 1 + Buffer.from(bytes.subarray(at + 10, at + 14)).readUInt32LE()
        : undefined;
    const event = filled(300, 1);
    event[0] = 0;
    event.writeUInt32LE(299, 10);
    const good = frame([event, filled(20, 1), filled(13, 0)]);
    for (const step of [1, 7, good.length]) {
      for (const [byte, bit] of Array.from({ length: 24 }, (_, n) => [n >> 3, 1 << (n & 7)])) {
        const wire = Buffer.from(good);
        wire[byte!] = wire[byte!]! ^ bit!;
        const reader = createPacketReader({ bytesMax: 2 ** 26, sequence: 1, sizeOf });
        const out: Uint8Array[] = [];
        const head = wire.subarray(0, 4 + 14);
        const code = codeOf(() => {
          for (let at = 0; at < head.length; at += step)
            reader.push(head.subarray(at, at + step), out);
        });
        // What is shorter than a head is given as it is: no event is as short.
        if (wire.readUIntLE(0, 3) >= 14) expect([code, out.length]).toEqual(["BINLOG_CORRUPT", 0]);
      }
      const reader = createPacketReader({ bytesMax: 2 ** 26, sequence: 1, sizeOf });
      const out: Uint8Array[] = [];
      for (let at = 0; at < good.length; at += step) reader.push(good.subarray(at, at + step), out);
      expect(out.map((each) => each.length)).toEqual([300, 20, 13]);
    }
  });

  test("a wrong length of one of several packets is noticed with its header", () => {
    const sizeOf = (bytes: Uint8Array, at: number) =>
      1 + Buffer.from(bytes.subarray(at + 10, at + 14)).readUInt32LE();
    const event = filled(partMax + 500, 1);
    event.writeUInt32LE(partMax + 499, 10);
    const wire = frame([event]);
    wire[4 + partMax + 1] = wire[4 + partMax + 1]! ^ 2;
    const reader = createPacketReader({ bytesMax: 2 ** 26, sequence: 1, sizeOf });
    reader.push(wire.subarray(0, 4 + partMax), []);
    const next = wire.subarray(4 + partMax, 4 + partMax + 4);
    expect(codeOf(() => reader.push(next, []))).toBe("BINLOG_CORRUPT");
  });

  test("copies what is cut, so that the chunk may be used again", () => {
    const reader = createPacketReader({ bytesMax: 100, sequence: 1 });
    const out: Uint8Array[] = [];
    const wire = frame([filled(10, 1)]);
    const first = Buffer.from(wire.subarray(0, 8));
    reader.push(first, out);
    first.fill(0xee);
    reader.push(wire.subarray(8), out);
    expect([...out[0]!]).toEqual([...filled(10, 1)]);
  });
});

describe("server error", () => {
  test("is read with and without an SQL state, and when it is cut", () => {
    const text = Buffer.concat([Buffer.from([0xff, 0xd4, 0x04]), Buffer.from("#HY000Could not")]);
    expect(readServerError(text)).toEqual({
      errno: 1236,
      sqlState: "HY000",
      message: "Could not",
    });
    const early = Buffer.concat([Buffer.from([0xff, 0x10, 0x04]), Buffer.from("Too many")]);
    expect(readServerError(early)).toEqual({ errno: 1040, sqlState: "", message: "Too many" });
    expect(readServerError(Buffer.from([0xff])).message).toBe("");
  });
});

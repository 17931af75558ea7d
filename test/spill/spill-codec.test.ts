import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { JsonText, type Packet, type Payload, type Value } from "#src/flow/packet.ts";
import { createBatchDecoder, encodeBatch } from "#src/spill/spill-codec.ts";
import { codeOfCall } from "../support/code-of.ts";
import { seededRandom, testSeed } from "../support/index.ts";
import { samplePackets, sampleRow, sampleTable } from "../support/sample-packets.ts";

const origin = { input: "in", resource: "r", name: "0" };
const at = 1_700_000_000_123;
const encoded = (packets: readonly Packet[]) => encodeBatch({ origin, packets, at });
const back = (packets: readonly Packet[]) => createBatchDecoder()(encoded(packets));

test("every kind of packet is on the disk as it was, and rows of a table share it", () => {
  const decode = createBatchDecoder();
  const one = decode(encoded(samplePackets));
  expect(one).toEqual({ origin, packets: [...samplePackets], at });
  const [first] = decode(encoded(samplePackets)).packets;
  const [again] = one.packets;
  if (first?.payload.kind !== "row" || again?.payload.kind !== "row") throw new Error("rows");
  expect(first.payload.table).toBe(again.payload.table);
  expect(first.payload.table).toEqual(sampleTable);
});

describe("whatever is in a packet", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.constant("\ud800"));
  const bytes = fc.uint8Array({ maxLength: 300 });
  const value: fc.Arbitrary<Value> = fc.oneof(
    fc.constantFrom(
      null,
      undefined,
      -0,
      Number.NaN,
      2 ** 53,
      -(2 ** 31),
      2 ** 31,
      127,
      128,
      16_384,
    ),
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt(),
    fc.constantFrom(2n ** 64n - 1n, -(2n ** 63n), 2n ** 53n - 1n, 2n ** 53n),
    text,
    fc.string({ unit: "grapheme", minLength: 20, maxLength: 3_000 }),
    bytes,
    text.map((one) => new JsonText(one)),
  );
  const count = fc.nat(1_000_000_000);
  const frame = fc.record(
    {
      key: fc.option(bytes),
      headers: fc.array(fc.tuple(text, fc.oneof(text, bytes, fc.constant(null)))),
      timestamp: fc.option(count, { nil: undefined }),
      partition: count,
      offset: fc.maxSafeNat(),
      partitions: count,
      cluster: text,
    },
    { requiredKeys: ["key", "headers", "timestamp"] },
  );
  const part = fc.record({ part: text }, { requiredKeys: [] });
  const record = fc.record({ record: frame, part: text }, { requiredKeys: [] });
  const txn = fc.record({ gtid: fc.option(text, { nil: undefined }), serverId: count });
  const values = fc.array(value, { maxLength: 9 });
  const row = fc
    .record({
      op: fc.constantFrom("I" as const, "U" as const, "D" as const),
      before: fc.option(values, { nil: undefined }),
      after: fc.option(values, { nil: undefined }),
      txn,
      ordinal: count,
      log: text,
      pos: fc.maxSafeNat(),
      ts: count,
    })
    .map((one) => ({ ...sampleRow, ...one }));
  const payload: fc.Arbitrary<Payload> = fc.oneof(
    row,
    frame.chain((own) =>
      fc
        .tuple(fc.option(bytes), part)
        .map(([of, more]) => ({ kind: "bytes" as const, ...own, ...more, value: of })),
    ),
    fc.tuple(text, record).map(([of, own]) => ({ kind: "text" as const, text: of, ...own })),
    fc.tuple(text, record).map(([of, own]) => ({ kind: "document" as const, json: of, ...own })),
  );
  const position = fc.oneof(
    count,
    text,
    fc.record({ file: text, pos: count, gtids: fc.option(text), $: fc.option(count) }),
  );
  const packet: fc.Arbitrary<Packet> = fc.record({
    ident: text,
    payload,
    position,
    bytes: fc.integer({ min: 1, max: 2 ** 31 }),
  });

  test("it is read as it was written", () => {
    const seed = testSeed("spill codec");
    const holds = fc.property(fc.array(packet, { maxLength: 12 }), (packets) => {
      expect(back(packets)).toEqual({ origin, packets, at });
    });
    fc.assert(holds, { seed, numRuns: Number(process.env.DBUS_CODEC_RUNS ?? 400) });
  });
});

test("what a user's own plugin made of a packet, beyond the types, is kept too", () => {
  const odd = { kind: "row", op: "I", table: sampleTable, extra: [1n, { $: true }] };
  const newer = { ...sampleRow, since: "now", of: { a: [1] } };
  const strange = { kind: "mine", of: { deep: [null, -0, new JsonText("1")] } };
  const row = { ...sampleRow, after: [true, { a: [1n] }] };
  const packets = [strange, row, odd, newer].map((payload) => ({ ...samplePackets[0], payload }));
  expect(back(packets as unknown as Packet[]).packets).toEqual(packets as unknown as Packet[]);
});

test("positions that spell themselves out are kept as they do", () => {
  const position = { toJSON: () => ({ gtids: "a:1-5" }) };
  const packets = [{ ...samplePackets[3], position } as Packet, samplePackets[3] as Packet];
  expect(back(packets).packets[0]?.position).toEqual({ gtids: "a:1-5" });
});

test("a buffer that a version before has written is read: none says when its packets came", () => {
  const file = join(import.meta.dir, "../fixtures/spill/version-1.json");
  const body = new Uint8Array(readFileSync(file));
  const same = { origin, packets: [...samplePackets], at: null };
  expect(createBatchDecoder()(body)).toEqual(same);
  // The second version is the third without the time, of which none is one byte.
  const third = encodeBatch(same);
  expect(createBatchDecoder()(Uint8Array.from([2, ...third.subarray(2)]))).toEqual(same);
});

test("one of a newer version is refused by name, and not taken for damage", () => {
  const body = encoded(samplePackets);
  body[0] = 4;
  expect(codeOfCall(() => createBatchDecoder()(body))).toBe("SPILL_VERSION");
});

test("a body that is cut or changed anywhere is read or refused, and nothing else", () => {
  const random = seededRandom(testSeed("spill damage"));
  const whole = encoded(samplePackets);
  const decode = createBatchDecoder();
  const outcome = (body: Uint8Array) => {
    try {
      return decode(body) && "read";
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };
  for (let at = 1; at < whole.length; at++) {
    expect([at, outcome(whole.subarray(0, at))]).toEqual([at, "SPILL_DAMAGED"]);
    const changed = whole.slice();
    changed[at] = random.int(0, 255);
    expect(["read", "SPILL_DAMAGED"]).toContain(outcome(changed) ?? "");
  }
});

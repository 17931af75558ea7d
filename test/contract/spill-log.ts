import { expect, test } from "bun:test";
import type { SpillLog, SpillLoss, SpillStore } from "#src/spill/spill-log.ts";
import { seededRandom, testSeed } from "../support/index.ts";

export type SpillContractOptions = { readonly store: () => SpillStore };

const bodyOf = (count: number, text: string) => ({ count, body: new TextEncoder().encode(text) });
export const textIn = (body: Uint8Array) => new TextDecoder().decode(body);

/** What is left to be read of a log, as `number text`. */
export async function rest(log: SpillLog): Promise<string[]> {
  const all: string[] = [];
  for (let record = await log.read(); record; record = await log.read()) {
    all.push(`${record.first}+${record.count} ${textIn(record.body)}`);
  }
  return all;
}

/** What the buffers of outputs count on. */
export function spillLogContract({ store }: SpillContractOptions): void {
  const losses: SpillLoss[] = [];
  const options = { bytesMax: 1 << 20, onLoss: (loss: SpillLoss) => void losses.push(loss) };

  test("what is appended is read once, in order, with numbers from 1", async () => {
    const log = await store().open("a", options);
    await log.append([bodyOf(2, "x"), bodyOf(1, "y")]);
    expect(await rest(log)).toEqual(["1+2 x", "3+1 y"]);
    await log.append([bodyOf(5, "z")]);
    expect(await rest(log)).toEqual(["4+5 z"]);
    expect([log.packets, log.acked]).toEqual([8, 0]);
    await log.close();
  });

  test("what is not acked is read again by the next one, and numbers go on", async () => {
    const all = store();
    const log = await all.open("a", options);
    await log.append([bodyOf(2, "x"), bodyOf(2, "y"), bodyOf(1, "z")]);
    await rest(log);
    await log.ack(2);
    await log.close();
    const again = await all.open("a", options);
    expect([again.packets, again.acked]).toEqual([3, 2]);
    expect(await rest(again)).toEqual(["3+2 y", "5+1 z"]);
    await again.append([bodyOf(1, "new")]);
    expect(await rest(again)).toEqual(["6+1 new"]);
    await again.close();
  });

  test("an ack within a record keeps the record", async () => {
    const all = store();
    const log = await all.open("a", options);
    await log.append([bodyOf(4, "x")]);
    await log.ack(3);
    await log.close();
    const again = await all.open("a", options);
    expect([again.packets, again.acked]).toEqual([1, 3]);
    expect(await rest(again)).toEqual(["1+4 x"]);
    await again.close();
  });

  test("when all is acked nothing is left, and numbers still go on", async () => {
    const all = store();
    const log = await all.open("a", options);
    await log.append([bodyOf(4, "x")]);
    await log.ack(4);
    expect([log.packets, log.bytes]).toEqual([0, 0]);
    await log.close();
    expect(await all.left()).toEqual([]);
    const again = await all.open("a", options);
    await again.append([bodyOf(1, "y")]);
    expect(await rest(again)).toEqual(["5+1 y"]);
    await again.close();
    expect(await all.left()).toEqual([{ name: "a", packets: 1 }]);
  });

  test("whatever is appended, read, acked and opened again, nothing is lost or out of order", async () => {
    const random = seededRandom(testSeed("spill log"));
    const all = store();
    let log = await all.open("model", { ...options, bytesMax: 4_000 });
    let next = 1;
    let acked = 0;
    let readTo = 0;
    for (let step = 0; step < 400; step++) {
      const choice = random.int(0, 9);
      if (choice < 4) {
        const bodies = Array.from({ length: random.int(1, 3) }, () => {
          const count = random.int(1, 5);
          const body = bodyOf(count, `${next} ${"x".repeat(random.int(0, 300))}`);
          next += count;
          return body;
        });
        await log.append(bodies);
      } else if (choice < 7) {
        const record = await log.read();
        expect(record === undefined).toBe(readTo === next - 1);
        if (record) {
          expect(record.first).toBeLessThanOrEqual(readTo + 1);
          expect(textIn(record.body)).toStartWith(`${record.first} `);
          readTo = record.first + record.count - 1;
        }
      } else if (choice < 9) {
        acked = random.int(acked, readTo);
        await log.ack(acked);
      } else {
        await log.close();
        log = await all.open("model", { ...options, bytesMax: 4_000 });
        readTo = acked;
      }
      expect([log.packets, log.acked]).toEqual([next - 1 - acked, acked]);
    }
    await log.close();
    expect(losses).toEqual([]);
  });
}

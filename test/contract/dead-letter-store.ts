import { expect, test } from "bun:test";
import type { DeadLetterStore, NewDeadLetter } from "#src/deadletter/store.ts";
import { samplePackets } from "../support/sample-packets.ts";

const letter = (n: number, more: Partial<NewDeadLetter> = {}): NewDeadLetter => ({
  node: "out",
  input: "in",
  resource: "mysql-1",
  partition: "0",
  ident: "shop.orders",
  position: String(n),
  code: "OUTPUT_REJECTED",
  reason: `refused ${n}`,
  crashes: n % 4,
  crashedAt: n % 4 === 0 ? null : n,
  packet: samplePackets[n % samplePackets.length]!,
  ...more,
});
const letters = (count: number, more: Partial<NewDeadLetter> = {}) =>
  Array.from({ length: count }, (_, n) => letter(n, more));

/** What every dead letter store keeps, whatever it writes to. `open` gives an empty one. */
export function deadLetterStoreContract(open: () => Promise<DeadLetterStore>): void {
  test("a packet of each kind comes back as it was, with its reason and place", async () => {
    const store = await open();
    const put = letters(samplePackets.length);
    const ids = store.put(put);
    expect(ids).toHaveLength(put.length);
    ids.forEach((id, n) => {
      const found = store.get(id);
      expect(found).toEqual({ ...put[n]!, id, at: found!.at, redrivenAt: null });
    });
  });

  test("ids grow, and a page ends where the next begins", async () => {
    const store = await open();
    store.put(letters(250));
    const seen: number[] = [];
    for (let after = 0; ; ) {
      const page = store.list({ after, limit: 70 });
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(70);
      seen.push(...page.map(({ id }) => id));
      after = page.at(-1)!.id;
    }
    expect(seen).toHaveLength(250);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
  });

  test("a page is bounded when no limit is named, or a far too large one", async () => {
    const store = await open();
    store.put(letters(1500));
    expect(store.list()).toHaveLength(100);
    expect(store.list({ limit: 1e9 })).toHaveLength(1000);
    expect(store.list({ limit: 0 })).toHaveLength(1);
    expect(store.count()).toBe(1500);
  });

  test("they are found by node and by input", async () => {
    const store = await open();
    store.put([...letters(3, { node: "a" }), ...letters(2, { node: "b", input: "other" })]);
    expect(store.list({ node: "a" })).toHaveLength(3);
    expect(store.list({ input: "other" })).toHaveLength(2);
    expect(store.list({ node: "a", input: "other" })).toHaveLength(0);
  });

  test("a redriven letter says when, a removed one is gone, ids are not given twice", async () => {
    const store = await open();
    const [first = 0, second = 0] = store.put(letters(2));
    store.markRedriven([first, 999]);
    expect(store.get(first)?.redrivenAt).toBeGreaterThan(1_600_000_000_000);
    expect(store.get(second)?.redrivenAt).toBeNull();
    store.remove([second, 999]);
    expect(store.get(second)).toBeNull();
    expect(store.count()).toBe(1);
    expect(store.put(letters(1))[0]).toBeGreaterThan(second);
  });

  test("none is nothing", async () => {
    const store = await open();
    expect(store.put([])).toEqual([]);
    expect(store.list()).toEqual([]);
    expect(store.get(1)).toBeNull();
  });
}

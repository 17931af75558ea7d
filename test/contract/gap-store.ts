import { expect, test } from "bun:test";
import type { GapStore } from "#src/gap/store.ts";

/** What every gap store keeps, whatever it writes to. `open` gives an empty one. */
export function gapStoreContract(open: () => Promise<GapStore>): void {
  test("a gap is kept with its ends and its reason, in the order of writing", async () => {
    const store = await open();
    const gap = { input: "in", resource: "mysql-1", partition: "0" };
    const first = store.put({ ...gap, from: "null", to: '{"pos":4}', reason: "purged\nlogs" });
    const second = store.put({ ...gap, from: "1", to: "2", reason: "again" });
    expect(second).toBeGreaterThan(first);
    expect(store.count()).toBe(2);
    const [one, two] = store.list();
    expect(one).toEqual({
      ...gap,
      id: first,
      at: one!.at,
      from: "null",
      to: '{"pos":4}',
      reason: "purged\nlogs",
    });
    expect(one?.at).toBeGreaterThan(1_600_000_000_000);
    expect(two?.reason).toBe("again");
  });

  test("any number is kept, and listed page by page", async () => {
    const store = await open();
    const gap = { input: "in", resource: "r", partition: "0", from: "1", to: "2", reason: "x" };
    for (let n = 0; n < 1100; n++) store.put(gap);
    expect(store.count()).toBe(1100);
    const page = store.list();
    expect(page).toHaveLength(1000);
    expect(store.list({ after: page.at(-1)!.id })).toHaveLength(100);
    expect(store.list({ limit: 7 })).toEqual(page.slice(0, 7));
  });

  test("none is nothing", async () => {
    const store = await open();
    expect(store.list()).toEqual([]);
    expect(store.count()).toBe(0);
  });
}

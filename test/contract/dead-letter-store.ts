import { expect, test } from "bun:test";
import type { DeadLetterStore, NewDeadLetter } from "#src/deadletter/store.ts";
import { packetOf } from "../support/packets.ts";

const letter = (node: string, position: number): NewDeadLetter => ({
  node,
  input: "in",
  resource: "r",
  partition: "0",
  ident: "in",
  position: String(position),
  code: "OUTPUT_REJECTED",
  reason: "too large",
  packet: packetOf("in", position),
});

/** What every store of dead letters must do. `open` gives an empty one. */
export function deadLetterStoreContract(name: string, open: () => Promise<DeadLetterStore>): void {
  test(`${name}: keeps letters in order, with growing numbers and the packet whole`, async () => {
    const store = await open();
    const ids = store.put([letter("a", 1), letter("b", 2)]);
    expect(ids).toEqual([...ids].sort((x, y) => x - y));
    expect(store.count()).toBe(2);
    expect(store.get(ids[1] as number)?.packet).toEqual(packetOf("in", 2));
    expect(store.list().map(({ position }) => position)).toEqual(["1", "2"]);
  });

  test(`${name}: lists by node, by input and page by page`, async () => {
    const store = await open();
    const ids = store.put([letter("a", 1), letter("b", 2), letter("a", 3)]);
    expect(store.list({ node: "a" }).length).toBe(2);
    expect(store.list({ input: "other" })).toEqual([]);
    expect(store.list({ after: ids[0] as number, limit: 1 }).map(({ id }) => id)).toEqual([
      ids[1] as number,
    ]);
  });

  test(`${name}: marks what was sent again, removes what was seen to`, async () => {
    const store = await open();
    const [first, second] = store.put([letter("a", 1), letter("a", 2)]) as [number, number];
    store.markRedriven([first]);
    expect(store.get(first)?.redrivenAt).toBeGreaterThan(0);
    expect(store.get(second)?.redrivenAt).toBeNull();
    store.remove([first]);
    expect(store.get(first)).toBeNull();
    expect(store.count()).toBe(1);
  });
}

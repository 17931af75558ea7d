import { expect, test } from "bun:test";
import type { Crash, CrashStore } from "#src/crash/store.ts";

const crash = (position: string, more: Partial<Crash> = {}): Crash => ({
  node: "out",
  input: "in",
  resource: "r",
  partition: "0",
  position,
  crashes: 1,
  code: "INTERNAL",
  reason: "it broke",
  firstAt: 1,
  lastAt: 2,
  ...more,
});

/** What every store of crashes keeps, whatever it writes to. `open` gives an empty one. */
export function crashStoreContract(open: () => Promise<CrashStore>): void {
  test("what is put again replaces what was there, and a node sees its own only", async () => {
    const store = await open();
    store.put([crash("1"), crash("2"), crash("1", { node: "other", crashes: 7 })]);
    store.put([crash("2", { crashes: 2, reason: "again", lastAt: 9 })]);
    expect(store.list("out").toSorted((a, b) => a.crashes - b.crashes)).toEqual([
      crash("1"),
      crash("2", { crashes: 2, reason: "again", lastAt: 9 }),
    ]);
    expect(store.list("other")).toEqual([crash("1", { node: "other", crashes: 7 })]);
  });

  test("one is forgotten by its whole key, all of a node by its name", async () => {
    const store = await open();
    const keys = [crash("1"), crash("1", { partition: "1" }), crash("1", { resource: "s" })];
    store.put([...keys, crash("1", { node: "other" })]);
    store.remove([crash("1"), crash("nothing")]);
    expect(store.list("out")).toHaveLength(2);
    store.clear("out");
    expect(store.list("out")).toEqual([]);
    expect(store.list("other")).toHaveLength(1);
  });
}

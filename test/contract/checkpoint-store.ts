import { expect, test } from "bun:test";
import type { CheckpointStore } from "#src/checkpoint/store.ts";

const key = { input: "in", resource: "r", partition: "0" };

/** What every checkpoint store must do. `open` gives an empty one. */
export function checkpointStoreContract(name: string, open: () => Promise<CheckpointStore>): void {
  test(`${name}: answers what was committed last, and null for what never was`, async () => {
    const store = await open();
    expect(await store.get(key)).toBeNull();
    await store.commit([{ ...key, position: '{"at":1}', epoch: 1 }]);
    await store.commit([{ ...key, position: '{"at":2}', epoch: 1 }]);
    expect(await store.get(key)).toMatchObject({ ...key, position: '{"at":2}', epoch: 1 });
    expect((await store.list()).length).toBe(1);
  });

  test(`${name}: refuses a commit under an older epoch and changes nothing (invariant 7)`, async () => {
    const store = await open();
    await store.commit([{ ...key, position: "5", epoch: 3 }]);
    const stale = store.commit([{ ...key, position: "9", epoch: 2 }]);
    await expect(stale).rejects.toMatchObject({ code: "STALE_EPOCH" });
    expect((await store.get(key))?.position).toBe("5");
  });

  test(`${name}: commits all or none`, async () => {
    const store = await open();
    const other = { ...key, partition: "1" };
    await store.commit([{ ...other, position: "1", epoch: 3 }]);
    const mixed = store.commit([
      { ...key, position: "2", epoch: 2 },
      { ...other, position: "2", epoch: 2 },
    ]);
    await expect(mixed).rejects.toMatchObject({ code: "STALE_EPOCH" });
    expect(await store.get(key)).toBeNull();
  });

  test(`${name}: keeps keys apart that look alike when glued together`, async () => {
    const store = await open();
    const a = { input: "a", resource: "b|c", partition: "0" };
    const b = { input: "a|b", resource: "c", partition: "0" };
    await store.commit([{ ...a, position: "1", epoch: 1 }]);
    expect(await store.get(b)).toBeNull();
  });

  test(`${name}: forgets what was removed`, async () => {
    const store = await open();
    await store.commit([{ ...key, position: "1", epoch: 1 }]);
    await store.remove(key);
    expect(await store.get(key)).toBeNull();
    expect(await store.list()).toEqual([]);
  });
}

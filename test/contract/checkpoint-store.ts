import { expect, test } from "bun:test";
import type { CheckpointStore, Commit } from "#src/checkpoint/store.ts";

const at = (partition: string, position: unknown, epoch = 1): Commit => ({
  input: "in",
  resource: "mysql-1",
  partition,
  position: JSON.stringify(position),
  epoch,
});
const keyOf = ({ input, resource, partition }: Commit) => ({ input, resource, partition });

/** What every checkpoint store keeps, whatever it writes to. `open` gives an empty one. */
export function checkpointStoreContract(open: () => Promise<CheckpointStore>): void {
  test("what was committed is read again, digit by digit", async () => {
    const store = await open();
    const commit = at("0", { file: "binlog.000001", pos: 4, gtid: "é\u2028'\"" });
    const large = { ...at("1", 0), position: "18446744073709551615" };
    await store.commit([commit, large]);
    expect(await store.get(keyOf(commit))).toMatchObject(commit);
    expect(await store.get(keyOf(large))).toMatchObject(large);
    expect((await store.get(keyOf(commit)))?.committedAt).toBeGreaterThan(1_600_000_000_000);
  });

  test("nothing is null, and a part of a key is another key", async () => {
    const store = await open();
    await store.commit([at("0", 1)]);
    for (const part of ["input", "resource", "partition"]) {
      expect(await store.get({ ...keyOf(at("0", 1)), [part]: "other" })).toBeNull();
    }
    expect(await store.get({ input: "in", resource: "mysql-10", partition: "" })).toBeNull();
  });

  test("the newest commit of a key counts, and all keys are listed", async () => {
    const store = await open();
    await store.commit([at("0", 1), at("1", 1)]);
    await store.commit([at("0", 2), at("0", 3)]);
    const found = (await store.list()).map(({ partition, position }) => [partition, position]);
    expect(found).toEqual([
      ["0", "3"],
      ["1", "1"],
    ]);
  });

  test("those of one resource are listed alone", async () => {
    const store = await open();
    await store.commit([at("0", 1), { ...at("0", 2), resource: "mysql-2" }]);
    const found = await store.list({ input: "in", resource: "mysql-2" });
    expect(found.map(({ position }) => position)).toEqual(["2"]);
    expect(await store.list({ input: "other", resource: "mysql-2" })).toEqual([]);
  });

  test("an older epoch is refused, and none of its commits is kept", async () => {
    const store = await open();
    await store.commit([at("1", "theirs", 8)]);
    const stale = [at("0", "ours", 7), at("1", "ours", 7), at("2", "ours", 7)];
    await expect(store.commit(stale)).rejects.toMatchObject({ code: "STALE_EPOCH", kind: "fence" });
    const found = (await store.list()).map(({ partition, position }) => [partition, position]);
    expect(found).toEqual([["1", '"theirs"']]);
  });

  test("the same epoch and a newer one are taken", async () => {
    const store = await open();
    await store.commit([at("0", 1, 7)]);
    await store.commit([at("0", 2, 7)]);
    await store.commit([at("0", 3, 8)]);
    expect(await store.get(keyOf(at("0", 1)))).toMatchObject({ position: "3", epoch: 8 });
  });

  test("what is no position is refused before anything is written", async () => {
    const store = await open();
    const broken = { ...at("1", 1), position: "{not json" };
    await expect(store.commit([at("0", 1), broken])).rejects.toMatchObject({ code: "INVARIANT" });
    expect(await store.list()).toEqual([]);
  });

  test("a removed checkpoint is gone, removing it again does nothing", async () => {
    const store = await open();
    await store.commit([at("0", 1, 9), at("1", 1)]);
    await store.remove(keyOf(at("0", 1)));
    await store.remove(keyOf(at("0", 1)));
    expect(await store.get(keyOf(at("0", 1)))).toBeNull();
    expect(await store.list()).toHaveLength(1);
  });

  test("no commits at all are no error", async () => {
    const store = await open();
    await store.commit([]);
    expect(await store.list()).toEqual([]);
  });
}

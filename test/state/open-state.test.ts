import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { openState } from "#src/state/open-state.ts";
import { samplePackets } from "../support/sample-packets.ts";
import { stateDirs } from "../support/state-dirs.ts";

const newDir = stateDirs("state");
const key = { input: "in", resource: "r", partition: "0" };

test("each start has a greater epoch, and finds what the one before has written", async () => {
  const dir = newDir();
  const first = await openState({ dir });
  await first.checkpoints.commit([{ ...key, position: "5", epoch: first.epoch }]);
  await first.close();
  const second = await openState({ dir });
  expect(second.epoch).toBeGreaterThan(first.epoch);
  expect(await second.checkpoints.get(key)).toMatchObject({ position: "5", epoch: first.epoch });
  await second.close();
});

test("a new file has its tables at once: on a disk that is full by the next start they would not fit", async () => {
  const dir = newDir();
  const state = await openState({ dir });
  const alone = join(dir, "alone.db");
  copyFileSync(join(dir, "state.db"), alone);
  await state.close();
  const db = new Database(alone, { readonly: true });
  const tables = db.query("SELECT name FROM sqlite_schema WHERE type = 'table'").values().flat();
  db.close();
  expect(tables).toContain("checkpoint");
  expect(tables).toContain("local_log");
});

test("S9: folder and files are for their owner only, however they were before", async () => {
  const dir = newDir();
  await (await openState({ dir })).close();
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  chmodSync(join(dir, "state.db"), 0o644);
  const state = await openState({ dir });
  await state.checkpoints.commit([{ ...key, position: "5", epoch: state.epoch }]);
  for (const name of readdirSync(dir)) {
    expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
  }
  await state.close();
});

test("the same process cannot open it twice either, and a refused start leaves no trace", async () => {
  const dir = newDir();
  const state = await openState({ dir });
  for (let n = 0; n < 3; n++) {
    await expect(openState({ dir })).rejects.toMatchObject({
      code: "STATE_LOCKED",
      message: expect.stringContaining(`pid ${process.pid}`),
    });
  }
  await state.checkpoints.commit([{ ...key, position: "5", epoch: state.epoch }]);
  await state.close();
  const next = await openState({ dir });
  expect(next.epoch).toBe(state.epoch + 1);
  await next.close();
});

test("it can be looked at beside the daemon that holds it, but not written", async () => {
  const dir = newDir();
  await expect(openState({ dir, readonly: true })).rejects.toMatchObject({ code: "NOT_FOUND" });
  const state = await openState({ dir });
  await state.checkpoints.commit([{ ...key, position: "5", epoch: state.epoch }]);
  const beside = await openState({ dir, readonly: true });
  expect(beside.epoch).toBe(state.epoch);
  expect(await beside.checkpoints.get(key)).toMatchObject({ position: "5" });
  const write = beside.checkpoints.commit([{ ...key, position: "6", epoch: 9 }]);
  await expect(write).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
  await beside.close();
  await state.checkpoints.commit([{ ...key, position: "7", epoch: state.epoch }]);
  await state.close();
});

test("a state of version 1 is read, and brought to this version with all that it holds", async () => {
  const dir = newDir();
  const state = await openState({ dir });
  await state.checkpoints.commit([{ ...key, position: "5", epoch: state.epoch }]);
  const base = { ...key, node: "out", ident: "i", position: "4", code: "X", reason: "y" };
  const [id = 0] = state.deadLetters.put([
    { ...base, crashes: 0, crashedAt: null, packet: samplePackets[0]! },
  ]);
  await state.close();
  const path = join(dir, "state.db");
  const old = new Database(path);
  // What the versions since have added, taken away.
  for (const column of ["crashes", "crashed_at"]) {
    old.run(`ALTER TABLE dead_letter DROP COLUMN ${column}`);
  }
  old.run("DROP TABLE crash");
  old.run("DROP TABLE local_log");
  old.run("PRAGMA user_version = 1");
  old.close();
  await expect(openState({ dir, readonly: true })).rejects.toMatchObject({ code: "STATE_OLDER" });
  const next = await openState({ dir });
  expect(await next.checkpoints.get(key)).toMatchObject({ position: "5" });
  expect(next.deadLetters.get(id)).toMatchObject({ reason: "y", crashes: 0, crashedAt: null });
  const crash = { ...key, node: "out", position: "4", crashes: 2, code: "X", reason: "y" };
  next.crashes.put([{ ...crash, firstAt: 1, lastAt: 2 }]);
  await next.close();
  const last = await openState({ dir });
  expect(last.epoch).toBe(state.epoch + 2);
  expect(last.crashes.list("out")).toEqual([{ ...crash, firstAt: 1, lastAt: 2 }]);
  await last.close();
});

test("a state of a newer version is refused, and left as it is", async () => {
  const dir = newDir();
  await (await openState({ dir })).close();
  const db = new Database(join(dir, "state.db"));
  db.run("PRAGMA user_version = 99");
  db.close();
  await expect(openState({ dir })).rejects.toMatchObject({
    code: "STATE_NEWER",
    message: expect.stringContaining("version 99"),
  });
  await expect(openState({ dir })).rejects.toMatchObject({ code: "STATE_NEWER" });
});

test.each([
  ["text", (path: string) => writeFileSync(path, "this is no database, whatever its name says\n")],
  ["noise in the middle", (path: string) => overwrite(path, 4096, 3000)],
  ["half a file", (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))],
])("a state file that holds %s is STATE_CORRUPT, and is left as it is", async (_, damage) => {
  const dir = newDir();
  await (await openState({ dir })).close();
  const path = join(dir, "state.db");
  damage(path);
  const before = readFileSync(path);
  await expect(openState({ dir })).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  await expect(openState({ dir })).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("a database of somebody else is not touched", async () => {
  const dir = newDir();
  mkdirSync(dir);
  const db = new Database(join(dir, "state.db"));
  db.run("CREATE TABLE theirs (x)");
  db.close();
  await expect(openState({ dir })).rejects.toMatchObject({ code: "STATE_CORRUPT" });
});

test("S9: a link or a folder in place of a file is refused, and so is a file in place of the folder", async () => {
  const parent = newDir();
  mkdirSync(parent);
  writeFileSync(join(parent, "file"), "");
  await expect(openState({ dir: join(parent, "file") })).rejects.toMatchObject({
    code: "STATE_UNWRITABLE",
  });
  for (const name of ["state.db", "lock.db", "dbusd.pid"]) {
    const dir = newDir();
    mkdirSync(dir);
    symlinkSync(join(parent, "file"), join(dir, name));
    await expect(openState({ dir })).rejects.toMatchObject({
      code: "STATE_UNWRITABLE",
      message: expect.stringContaining("not a regular file"),
    });
  }
  expect(readFileSync(join(parent, "file"), "utf8")).toBe("");
});

test("an empty state file, as a start that was killed early leaves it, is taken", async () => {
  const dir = newDir();
  mkdirSync(dir);
  writeFileSync(join(dir, "state.db"), "");
  const state = await openState({ dir });
  expect(state.epoch).toBe(1);
  await state.close();
});

test("after close nothing is written any more", async () => {
  const state = await openState({ dir: newDir() });
  await state.close();
  const commit = state.checkpoints.commit([{ ...key, position: "5", epoch: 1 }]);
  await expect(commit).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
  await state.close();
});

function overwrite(path: string, from: number, length: number): void {
  const bytes = readFileSync(path);
  bytes.fill(0xa5, from, from + length);
  writeFileSync(path, bytes);
}

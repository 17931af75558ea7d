import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSqliteCheckpointStore } from "#src/checkpoint/sqlite-store.ts";
import { DbusError } from "#src/errors.ts";
import { openDatabase } from "#src/state/database.ts";
import { openState } from "#src/state/open-state.ts";
import { prepareSchema } from "#src/state/schema.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { stateDirs } from "../support/state-dirs.ts";

const newDir = stateDirs("flips");
const key = { input: "orders", resource: "mysql-1", partition: "0" };
const position = (n: number) => JSON.stringify({ file: "binlog.000017", pos: 40_000 + n, rows: n });

/** A data folder in which checkpoints 1 to `count` were committed one after the other. */
async function committed(count: number): Promise<string> {
  const dir = newDir();
  const state = await openState({ dir });
  for (let n = 1; n <= count; n++) {
    await state.checkpoints.commit([{ ...key, position: position(n), epoch: state.epoch }]);
  }
  await state.close();
  return dir;
}

/** What the next start would read: a position, or the code of a refusal that has a remedy. */
async function read(path: string): Promise<string> {
  try {
    const database = openDatabase({ path, readonly: false });
    try {
      prepareSchema(database, { path, readonly: false });
      const [found] = await createSqliteCheckpointStore(database).list(key);
      return found?.position ?? "none";
    } finally {
      database.close();
    }
  } catch (error) {
    if (error instanceof DbusError && error.remedy !== "") return error.code;
    throw error;
  }
}

const told = new Set(["STATE_CORRUPT", "CHECKPOINT_CORRUPT", "STATE_NEWER"]);

/** Reads a copy of a state file in which one bit is another. */
async function flipped(dir: string, bytes: Buffer, bit: number): Promise<string> {
  const path = join(dir, "flipped.db");
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  for (const name of ["-wal", "-shm"]) rmSync(path + name, { force: true });
  writeFileSync(path, copy);
  return read(path);
}

test("every flipped bit of a checkpoint's row is noticed (fault 81)", async () => {
  const dir = await committed(1);
  const bytes = readFileSync(join(dir, "state.db"));
  const first = bytes.indexOf("ordersmysql-1");
  const text = position(1);
  const end = bytes.indexOf(text, first) + text.length;
  expect(first).toBeGreaterThan(0);
  const missed: string[] = [];
  for (let bit = first * 8; bit < end * 8; bit++) {
    const answer = await flipped(dir, bytes, bit);
    if (!told.has(answer)) missed.push(`bit ${bit & 7} of byte ${(bit >> 3) - first}: ${answer}`);
  }
  expect(missed).toEqual([]);
}, 60_000);

test("no flipped bit of a state file makes another position of a checkpoint (fault 81)", async () => {
  const dir = await committed(3);
  const bytes = readFileSync(join(dir, "state.db"));
  const random = seededRandom(testSeed("bit flips"));
  const used = [...bytes.keys()].filter((at) => bytes[at] !== 0);
  const wrong: string[] = [];
  for (let n = 0; n < 800; n++) {
    const at = random.chance(0.9) ? random.pick(used) : random.int(0, bytes.length - 1);
    const bit = at * 8 + random.int(0, 7);
    const answer = await flipped(dir, bytes, bit);
    if (answer !== position(3) && !told.has(answer)) wrong.push(`bit ${bit}: ${answer}`);
  }
  expect(wrong).toEqual([]);
}, 60_000);

test("one of several checkpoints whose name is damaged is missed, and by its own input alone", async () => {
  const dir = newDir();
  const state = await openState({ dir });
  const { epoch } = state;
  const commits = ["0", "1", "2"].map((partition) => ({ ...key, partition, position: "7", epoch }));
  await state.checkpoints.commit([...commits, { ...key, input: "others", position: "8", epoch }]);
  const path = join(dir, "state.db");
  await state.close();
  const database = openDatabase({ path, readonly: false });
  const rename =
    "UPDATE checkpoint SET input = 'prders' WHERE input = 'orders' AND partition = '1'";
  database.write((db) => db.run(rename));
  const store = createSqliteCheckpointStore(database);
  await expect(store.list(key)).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
  expect(await store.list({ ...key, input: "others" })).toHaveLength(1);
  database.close();
});

/** A state file and its log as a kill leaves them: with checkpoints that are in the log alone. */
async function withLog(count: number): Promise<{ dir: string; wal: Buffer }> {
  const dir = newDir();
  const state = await openState({ dir });
  for (let n = 1; n <= count; n++) {
    await state.checkpoints.commit([{ ...key, position: position(n), epoch: state.epoch }]);
  }
  const copy = newDir();
  mkdirSync(copy);
  for (const name of ["state.db", "state.db-wal"]) copyFileSync(join(dir, name), join(copy, name));
  await state.close();
  return { dir: copy, wal: readFileSync(join(copy, "state.db-wal")) };
}

test("a log of the state that is cut or flipped anywhere gives an older checkpoint or none, never another (fault 81)", async () => {
  const { dir, wal } = await withLog(6);
  const random = seededRandom(testSeed("log flips"));
  const known = new Set([1, 2, 3, 4, 5, 6].map(position));
  const at = join(dir, "damaged.db");
  const seen = new Set<string>();
  const look = async (log: Buffer) => {
    copyFileSync(join(dir, "state.db"), at);
    rmSync(`${at}-shm`, { force: true });
    writeFileSync(`${at}-wal`, log);
    const answer = await read(at);
    seen.add(answer);
    return answer;
  };
  expect(await look(wal)).toBe(position(6));
  const step = Math.max(1, Math.floor(wal.length / 150));
  for (let end = 0; end < wal.length; end += random.int(1, 2 * step)) {
    const answer = await look(wal.subarray(0, end));
    // Before the first commit there is no row: nothing was promised by then either.
    if (!known.has(answer) && answer !== "none" && !told.has(answer)) {
      throw new Error(`cut at ${end}: ${answer}`);
    }
  }
  for (let n = 0; n < 150; n++) {
    const copy = Buffer.from(wal);
    const byte = random.int(0, wal.length - 1);
    copy[byte] = (copy[byte] as number) ^ (1 << random.int(0, 7));
    const answer = await look(copy);
    if (!known.has(answer) && answer !== "none" && !told.has(answer)) {
      throw new Error(`flipped at ${byte}: ${answer}`);
    }
  }
  expect(seen.size).toBeGreaterThan(3);
}, 60_000);

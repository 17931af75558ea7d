import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileLog } from "#src/spill/file-log.ts";
import { createFileSpillStore } from "#src/spill/file-store.ts";
import { createMemorySpillStore } from "#src/spill/memory-log.ts";
import type { SpillLoss } from "#src/spill/spill-log.ts";
import { rest, spillLogContract } from "../contract/spill-log.ts";

const scratch = mkdtempSync(join(tmpdir(), "dbus-spill-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const folder = () => join(scratch, String(++folders));

describe("in memory", () => spillLogContract({ store: createMemorySpillStore }));
describe("in files", () => spillLogContract({ store: () => createFileSpillStore(folder()) }));

const bodyOf = (text: string) => ({ count: 2, body: new TextEncoder().encode(text) });

/** A log of eight records, as a file, and what opens what became of it. */
async function written() {
  const dir = folder();
  const log = await openFileLog({ dir, onLoss() {} });
  for (let n = 0; n < 8; n++) await log.append([bodyOf(`record ${n}`)]);
  await log.close();
  const path = join(dir, readdirSync(dir).find((name) => name.endsWith(".spill")) ?? "");
  return { dir, path, bytes: readFileSync(path) };
}

async function reopened(dir: string) {
  const losses: SpillLoss[] = [];
  const log = await openFileLog({ dir, onLoss: (loss) => void losses.push(loss) });
  const packets = log.packets;
  const read = await rest(log);
  await log.append([bodyOf("new")]);
  const more = await rest(log);
  await log.close();
  return { losses, packets, read, more };
}

const all = Array.from({ length: 8 }, (_, n) => `${2 * n + 1}+2 record ${n}`);

describe("damage of the files", () => {
  test("(fault 81) cut at any byte, what is whole before the cut is read, and numbers go on", async () => {
    const { dir, path, bytes } = await written();
    for (let cut = 0; cut < bytes.length; cut++) {
      writeFileSync(path, bytes.subarray(0, cut));
      const { read, more, losses } = await reopened(dir);
      const whole = Math.floor(cut / (bytes.length / 8));
      expect(read).toEqual(all.slice(0, whole));
      expect(losses).toEqual([]);
      expect(more).toEqual([`${2 * whole + 1}+2 new`]);
      for (const name of readdirSync(dir)) if (join(dir, name) !== path) rmSync(join(dir, name));
    }
  });

  test("(fault 81) with any byte flipped, all other records are read, and what is lost is counted", async () => {
    const { dir, path, bytes } = await written();
    const size = bytes.length / 8;
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(path, damaged);
      const { read, losses } = await reopened(dir);
      const hit = Math.floor(at / size);
      expect([at, read]).toEqual([at, all.filter((_, n) => n !== hit)]);
      // At the very end nobody can know whether it was ever durable.
      const lost = losses.map(({ from, to }) => [from, to]);
      expect([at, lost]).toEqual([at, hit === 7 ? [] : [[2 * hit + 1, 2 * hit + 2]]]);
      for (const name of readdirSync(dir)) if (join(dir, name) !== path) rmSync(join(dir, name));
    }
  });

  test("a length that leads out of the file, or is huge, allocates nothing and loses one record", async () => {
    const { dir, path, bytes } = await written();
    for (const length of [0xffff_ffff, 0x7fff_ffff, bytes.length, 0]) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt32LE(length, 4);
      writeFileSync(path, damaged);
      const { read } = await reopened(dir);
      expect(read).toEqual(all.slice(1));
      for (const name of readdirSync(dir)) if (join(dir, name) !== path) rmSync(join(dir, name));
    }
  });

  test("what was acked being damaged repeats packets, and loses none", async () => {
    const { dir } = await written();
    const log = await openFileLog({ dir, onLoss() {} });
    await log.ack(4);
    await log.close();
    const path = join(dir, "acked");
    const text = readFileSync(path);
    for (let at = 0; at < text.length; at++) {
      const damaged = Buffer.from(text);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(path, damaged);
      const again = await openFileLog({ dir, onLoss() {} });
      const { acked } = again;
      expect([0, 4]).toContain(acked);
      expect(await rest(again)).toEqual(acked === 0 ? all : all.slice(2));
      await again.close();
    }
  });

  test("a file that is gone is told with the numbers that were in it", async () => {
    const dir = folder();
    const log = await openFileLog({ dir, onLoss() {}, segmentBytes: 1 });
    for (let n = 0; n < 4; n++) await log.append([bodyOf(`record ${n}`)]);
    await log.ack(2);
    await log.close();
    rmSync(join(dir, "0000000000000005.spill"));
    rmSync(join(dir, "0000000000000003.spill"));
    const { read, losses } = await reopened(dir);
    expect(read).toEqual(["7+2 record 3"]);
    expect(losses.map(({ from, to }) => [from, to])).toEqual([[3, 6]]);
  });
});

test("closed amid an append and a read, it is closed after them", async () => {
  for (let round = 0; round < 50; round++) {
    const dir = folder();
    const log = await openFileLog({ dir, onLoss() {} });
    await log.append([bodyOf("first")]);
    const reading = log.read();
    const appending = log.append([bodyOf("second".repeat(10_000))]);
    await log.close();
    const again = await openFileLog({ dir, onLoss() {} });
    expect((await rest(again)).length).toBe(2);
    expect((await reading)?.first).toBe(1);
    await appending;
    await again.close();
  }
});

test("a file that a crash left empty takes nothing with it that is written under its name", async () => {
  for (let round = 0; round < 50; round++) {
    const dir = folder();
    const before = await openFileLog({ dir, onLoss() {} });
    await before.append([bodyOf("old")]);
    await before.close();
    writeFileSync(join(dir, "0000000000000003.spill"), "");
    const losses: SpillLoss[] = [];
    const log = await openFileLog({ dir, onLoss: (loss) => void losses.push(loss) });
    await rest(log);
    // All is acked, so that both files may go; meanwhile more comes, which begins at number 3 too.
    await Promise.all([log.ack(2), log.append([bodyOf("new")])]);
    await log.close();
    const again = await openFileLog({ dir, onLoss: (loss) => void losses.push(loss) });
    expect([round, await rest(again), losses]).toEqual([round, ["3+2 new"], []]);
    await again.close();
  }
});

test("a disk that is full of what was acked is emptied all the same: nothing new has to be written", async () => {
  const dir = folder();
  const log = await openFileLog({ dir, onLoss() {}, segmentBytes: 1 });
  await log.append([bodyOf("one")]);
  await log.append([bodyOf("two")]);
  const before = readdirSync(dir).length;
  const { ino } = statSync(join(dir, "acked"));
  await log.ack(4);
  expect(readdirSync(dir).length).toBe(before - 2);
  expect(statSync(join(dir, "acked")).ino).toBe(ino);
  await log.close();
});

test("files are for their owner only, and a link in their place is not followed (S9)", async () => {
  const { dir, path } = await written();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  const target = join(scratch, "target");
  writeFileSync(target, "precious");
  symlinkSync(target, join(dir, "0000000000000017.spill"));
  const log = await openFileLog({ dir, onLoss() {} });
  const append = log.append([bodyOf("x")]);
  await append.catch(() => {});
  expect(append).rejects.toMatchObject({ code: "SPILL_UNWRITABLE" });
  expect(readFileSync(target, "utf8")).toBe("precious");
  await log.close();
});

test("a folder that cannot be read is told by code", async () => {
  if (process.getuid?.() === 0) {
    writeFileSync(join(scratch, "file"), "");
    const open = openFileLog({ dir: join(scratch, "file"), onLoss() {} });
    expect(open).rejects.toMatchObject({ code: "SPILL_UNWRITABLE" });
    return;
  }
  const dir = folder();
  await (await openFileLog({ dir, onLoss() {} })).close();
  chmodSync(dir, 0);
  expect(openFileLog({ dir, onLoss() {} })).rejects.toMatchObject({ code: "SPILL_UNWRITABLE" });
});

import { afterAll, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownServerId } from "#plugins/input/mysqlbinlog/server-id.ts";
import { openSchemaHistory } from "#src/clients/mysql/schema-history.ts";
import { useStarted } from "../../services/index.ts";
import { smallDisk } from "../../support/small-disk.ts";
import { tempDir } from "../../support/temp-dir.ts";

const dir = tempDir("schema-files");
const at = (pos: number) => ({ lineage: "u1", file: "b.000001", pos });
const known = (...names: string[]) => ({
  ...{ db: "shop", table: "orders", created: null },
  model: {
    columns: names.map((name) => ({ name, type: "int", charset: null, nullable: true })),
    primaryKey: [],
    charset: undefined,
  },
});

async function namesIn(folder: string): Promise<string> {
  const history = await openSchemaHistory(folder);
  const found = history.at(at(300)).map((one) => one.model.columns.map(({ name }) => name));
  return JSON.stringify(found);
}

async function written(folder: string, ...names: string[]): Promise<void> {
  const history = await openSchemaHistory(folder);
  history.restart("u1");
  history.note(at(100), known(...names));
  history.reached(at(500));
  await history.save();
}

test("a history that is cut or flipped anywhere is as it was or as good as none (fault 81)", async () => {
  const folder = join(dir, "in");
  await written(folder, "id", "total");
  const whole = await namesIn(folder);
  expect(whole).toBe('[["id","total"]]');
  for (const name of ["schema-history.json", "schema-reached.json"]) {
    const path = join(folder, name);
    const bytes = readFileSync(path);
    for (let end = 0; end < bytes.length; end++) {
      writeFileSync(path, bytes.subarray(0, end));
      expect([name, end, await namesIn(folder)]).toEqual([name, end, "[]"]);
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = Buffer.from(bytes);
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(path, copy);
      expect([name, bit, await namesIn(folder)]).toEqual([name, bit, "[]"]);
    }
    writeFileSync(path, bytes);
    expect(await namesIn(folder)).toBe(whole);
  }
}, 30_000);

test("a server id that is cut or flipped is one of ours again, never a server's own (fault 81)", async () => {
  const path = join(dir, "reader", "server-id");
  const first = await ownServerId(dir, "reader");
  expect(await ownServerId(dir, "reader")).toBe(first);
  const bytes = readFileSync(path);
  const damaged = [...bytes.keys()].map((end) => bytes.subarray(0, end));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = Buffer.from(bytes);
    copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
    damaged.push(copy);
  }
  for (const content of damaged) {
    writeFileSync(path, content);
    const id = await ownServerId(dir, "reader");
    expect(id).toBeWithin(2 ** 30, 2 ** 31);
    expect(await ownServerId(dir, "reader")).toBe(id);
  }
});

const disks = await useStarted("a full disk", async () => smallDisk("64k", afterAll));

disks.test(
  "a history that finds no room keeps what it had, says so, and is written once there is room (fault 79)",
  async ({ dir: disk }) => {
    const folder = join(disk, "in");
    await written(folder, "id");
    const history = await openSchemaHistory(folder);
    const ballast = join(disk, "ballast");
    for (let size = 32_768; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: "a" });
      } catch {
        // Full for this size: a smaller one may still fit.
      }
    }
    history.note(at(200), known("id", "total"));
    history.reached(at(600));
    const refused = { code: "STATE_UNWRITABLE" };
    await expect(history.save()).rejects.toMatchObject(refused);
    await expect(history.save()).rejects.toMatchObject(refused);
    expect(await namesIn(folder)).toBe('[["id"]]');
    rmSync(ballast);
    await history.save();
    expect(await namesIn(folder)).toBe('[["id","total"]]');
  },
);

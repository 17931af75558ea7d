import { afterEach, describe, expect, test } from "bun:test";
import {
  appendFile,
  copyFile,
  mkdtemp,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json, Packet } from "#plugin";
import { binlogFileInput } from "#plugins/input/binlog-file/binlog-file-input.ts";
import { changeOf } from "../../../support/binlog-rows.ts";
import { type FakeInput, fakeInputContext } from "../../../support/fake-context.ts";
import { waitFor } from "../../../support/wait-for.ts";

const shop = join(import.meta.dir, "../../../../etc/quickstart/shop.binlog");
const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "binlog-file-"));
  folders.push(made);
  return made;
}

type Run = { readonly bus: FakeInput; readonly done: Promise<void> };

async function start(config: object, resume?: Json, credit?: number): Promise<Run> {
  const bus = fakeInputContext({
    name: "files",
    ...(resume === undefined ? {} : { resume: { "0": resume } }),
    ...(credit === undefined ? {} : { credit }),
  });
  const parsed = binlogFileInput.configSchema.parse(config);
  const state = await binlogFileInput.open(bus.context, parsed);
  return { bus, done: binlogFileInput.run(state, bus.context) };
}

async function readAll(config: object, resume?: Json): Promise<FakeInput> {
  const { bus, done } = await start(config, resume);
  await done;
  return bus;
}

function shown(packets: readonly Packet[]): string[] {
  return packets.map((packet) => {
    const { op, table, before, after, ordinal, txn } = changeOf(packet);
    const texts = [before, after].map((row) => row?.map((value) => String(value)).join());
    return `${txn.gtid} ${ordinal} ${op} ${table.name} ${texts.join(" -> ")}`;
  });
}

function json(position: unknown): Json {
  return JSON.parse(JSON.stringify(position));
}

describe("BinlogFileInput", () => {
  test("reads the rows of the quick start, before and behind the ALTER", async () => {
    const { packets } = await readAll({ files: [shop] });
    const changes = packets.map(changeOf);
    const widths = changes
      .filter(({ table }) => table.name === "customers")
      .map(({ table }) => table.columns.map(({ name }) => name).join());
    expect(new Set(widths)).toEqual(
      new Set(["id,email,name,orders,created_at", "id,email,phone,name,orders,created_at"]),
    );
    expect(new Set(changes.map(({ op }) => op))).toEqual(new Set(["I", "U", "D"]));
    expect(changes.filter(({ op, table }) => op === "I" && table.name === "orders")).toHaveLength(
      40,
    );
    expect(changes[0]?.table.primaryKey).toEqual([0]);
  });

  test("goes on behind any row, and then gives just the rows that are missing", async () => {
    const { packets } = await readAll({ files: [shop] });
    const all = shown(packets);
    for (let i = 0; i < packets.length; i += 3) {
      const rest = await readAll({ files: [shop] }, json(packets[i]!.position));
      expect(shown(rest.packets)).toEqual(all.slice(i + 1));
    }
  });

  test("goes on from the idle position at the end with nothing", async () => {
    const first = await readAll({ files: [shop] });
    const rest = await readAll({ files: [shop] }, json(first.idles.at(-1)));
    expect(rest.packets).toEqual([]);
  });

  test("rows of tables that are left out move the position all the same", async () => {
    const all = await readAll({ files: [shop] });
    const none = await readAll({ files: [shop], tables: ["nobody.here"] });
    expect(none.packets).toEqual([]);
    expect(json(none.idles.at(-1))).toEqual(json(all.idles.at(-1)));
  });

  test("a filter changes neither ordinals nor the place where another filter goes on", async () => {
    const all = await readAll({ files: [shop] });
    const orders = await readAll({ files: [shop], tables: ["shop.orders"] });
    const places = (packets: readonly Packet[]) =>
      packets
        .filter((packet) => changeOf(packet).table.name === "orders")
        .map((packet) => json(packet.position));
    expect(places(orders.packets)).toEqual(places(all.packets));
  });

  test("reads files in the order of their numbers, also beyond six digits", async () => {
    const dir = await folder();
    const names = ["b.999998", "b.999999", "b.1000000"];
    for (const name of names) await copyFile(shop, join(dir, name));
    await writeFile(join(dir, "b.index"), "./b.999998\n");
    const { packets } = await readAll({ files: [join(dir, "b.*")] });
    const logs = [...new Set(packets.map((packet) => changeOf(packet).log))];
    expect(logs).toEqual(names);
  });

  test("a hole in the sequence stops the input with the missing name", async () => {
    const dir = await folder();
    for (const name of ["b.000001", "b.000003"]) await copyFile(shop, join(dir, name));
    const reading = readAll({ files: [join(dir, "b.*")] });
    await expect(reading).rejects.toMatchObject({ code: "BINLOG_FILE" });
  });

  test("a file of the checkpoint that is gone stops the input instead of skipping rows", async () => {
    const dir = await folder();
    await copyFile(shop, join(dir, "b.000005"));
    const resume = { file: "b.000004", pos: 4 };
    const reading = readAll({ files: [join(dir, "b.*")] }, resume);
    await expect(reading).rejects.toMatchObject({ code: "POSITION_LOST" });
  });

  test("follows a file that grows byte by byte, and the next one", async () => {
    const dir = await folder();
    const bytes = await readFile(shop);
    const whole = shown((await readAll({ files: [shop] })).packets);
    await writeFile(join(dir, "b.000001"), bytes.subarray(0, 10));
    const { bus, done } = await start({ files: [join(dir, "b.*")], follow: true, pollMs: 10 });
    for (const [from, to] of [
      [10, 4000],
      [4000, 4001],
      [4001, 4019],
      [4019, 30_000],
      [30_000, bytes.length],
    ]) {
      await appendFile(join(dir, "b.000001"), bytes.subarray(from, to));
    }
    await waitFor(() => bus.packets.length === whole.length, { what: "the first file's rows" });
    await copyFile(shop, join(dir, "b.000002"));
    await waitFor(() => bus.packets.length === 2 * whole.length, { what: "the second file's" });
    expect(shown(bus.packets)).toEqual([...whole, ...whole]);
    bus.abort();
    await done;
  });

  test("is behind by time and bytes while there is more, and not at all at the end", async () => {
    const dir = await folder();
    const { size } = await stat(shop);
    await copyFile(shop, join(dir, "b.000001"));
    await copyFile(shop, join(dir, "b.000002"));
    const { bus, done } = await start({ files: [join(dir, "b.*")], follow: true, pollMs: 10 });
    await waitFor(() => bus.lags.some(({ bytes }) => bytes === 0), { what: "the end" });
    const [first] = bus.lags;
    expect(first?.seconds).toBeGreaterThan(24 * 3600);
    expect(first?.bytes).toBeGreaterThan(0);
    expect(first?.bytes).toBeLessThanOrEqual(2 * size);
    const ended = bus.lags.findIndex(({ bytes }) => bytes === 0);
    const seen = bus.lags.length;
    await waitFor(() => bus.lags.length > seen + 2, { what: "more looks at the end" });
    for (const lag of bus.lags.slice(ended)) expect(lag).toEqual({ seconds: 0, bytes: 0 });
    bus.abort();
    await done;
  });

  test("stops soon while it waits for a bus without room", async () => {
    const { bus, done } = await start({ files: [shop] }, undefined, 10);
    await waitFor(() => bus.packets.length > 0, { what: "a first row" });
    bus.abort();
    await done;
    expect(bus.overruns).toBe(0);
  });

  test("a cut off file that another follows is noted as a gap", async () => {
    const dir = await folder();
    await copyFile(shop, join(dir, "b.000001"));
    await truncate(join(dir, "b.000001"), 20_000);
    await copyFile(shop, join(dir, "b.000002"));
    const { gaps, packets } = await readAll({ files: [join(dir, "b.*")] });
    expect(gaps).toMatchObject([{ from: { file: "b.000001" }, to: { file: "b.000002", pos: 4 } }]);
    expect(new Set(packets.map((packet) => changeOf(packet).log)).size).toBe(2);
  });

  test("a wrong byte stops the input with file and offset, after the rows before it", async () => {
    const dir = await folder();
    const bytes = await readFile(shop);
    const at = 40_000;
    bytes[at] = bytes[at]! ^ 1;
    await writeFile(join(dir, "b.000001"), bytes);
    const whole = shown((await readAll({ files: [shop] })).packets);
    const { bus, done } = await start({ files: [join(dir, "b.000001")] });
    await expect(done).rejects.toMatchObject({
      code: "BINLOG_CORRUPT",
      place: { file: join(dir, "b.000001") },
    });
    expect(bus.packets.length).toBeGreaterThan(0);
    expect(whole.slice(0, bus.packets.length)).toEqual(shown(bus.packets));
  });

  test("what is no binlog is told with a code", async () => {
    const dir = await folder();
    const path = join(dir, "b.000001");
    await writeFile(path, "not a binlog");
    await expect(readAll({ files: [path] })).rejects.toMatchObject({ code: "BINLOG_CORRUPT" });
    await expect(readAll({ files: [join(dir, "none")] })).rejects.toMatchObject({
      code: "BINLOG_FILE",
    });
  });
});

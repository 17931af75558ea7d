import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { streamOutput } from "#plugins/output/stream/stream-output.ts";
import type { Packet } from "#src/flow/packet.ts";
import { outputPluginContract } from "../../../contract/output-plugin.ts";
import { useStarted } from "../../../services/index.ts";
import { fakeOutputContext } from "../../../support/fake-context.ts";
import { notePacket, noteTable } from "../../../support/row-packets.ts";
import { samplePackets } from "../../../support/sample-packets.ts";
import { smallDisk } from "../../../support/small-disk.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const dir = tempDir("stream-output");
let files = 0;
const newFile = () => join(dir, `out-${++files}.ndjson`);
const numbers = (from: number, to: number, size = 0): Packet[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    ident: "a",
    payload: { kind: "document", json: `{"n":${from + i},"pad":"${"x".repeat(size)}"}` },
    position: from + i,
    bytes: 50,
  }));
const numbersIn = (path: string): number[] => {
  const text = readFileSync(path, "utf8");
  expect(text === "" || text.endsWith("\n")).toBe(true);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line).n);
};
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

async function opened(config: object, stateDir = dir) {
  const { context } = fakeOutputContext({ name: "lines", stateDir });
  const state = await streamOutput.open(context, streamOutput.configSchema.parse(config));
  return {
    write: async (packets: readonly Packet[]) => streamOutput.write(state, packets, context),
    close: async () => streamOutput.close?.(state),
  };
}

describe("contract", () =>
  outputPluginContract(streamOutput, {
    config: () => ({ file: newFile() }),
    packets: samplePackets,
  }));
describe("contract of raw lines", () =>
  outputPluginContract(streamOutput, {
    config: () => ({ file: newFile(), lines: "raw", fsync: "none", rotate: { bytesMax: 100 } }),
    packets: samplePackets,
  }));

test("each packet becomes one line of JSON, without losing a digit", async () => {
  const file = newFile();
  const out = await opened({ file });
  const spread: Packet = {
    ...samplePackets[4]!,
    payload: { kind: "document", json: '{\n"a": 1.10\r\n}' },
  };
  expect(await out.write([...samplePackets, spread])).toBeUndefined();
  await out.close();
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(lines).toHaveLength(samplePackets.length + 1);
  expect(lines[0]).toContain("18446744073709551615");
  expect(lines[0]).toContain('{"a":1.10,"b":12345678901234567890}');
  expect(lines.at(-1)).toBe('{ "a": 1.10 }');
  for (const line of lines) JSON.parse(line);
});

test("a large row is a line like any other, alone and beside small ones", async () => {
  const file = newFile();
  const out = await opened({ file });
  const table = noteTable("shop", "notes");
  const text = `${"aé日\n".repeat(300_000)}"`;
  const large = { ...notePacket(table, "I", { after: [1, text] }), bytes: 3 << 20 };
  const small = notePacket(table, "I", { after: [2, "x"] });
  for (const packets of [[large], [small, large, small]]) await out.write(packets);
  await out.close();
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const rows = lines.map((line) => JSON.parse(line).rows[0]);
  expect(rows).toEqual([
    [1, text],
    [2, "x"],
    [1, text],
    [2, "x"],
  ]);
});

test("by default it writes below the data folder, for its owner only", async () => {
  const out = await opened({}, join(dir, "state"));
  await out.write(numbers(1, 2));
  await out.close();
  const path = join(dir, "state", "lines", "lines.ndjson");
  expect(numbersIn(path)).toEqual([1, 2]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("what cannot be a raw line is refused for good, its neighbours are written", async () => {
  const file = newFile();
  const out = await opened({ file, lines: "raw" });
  const text = (value: string): Packet => ({
    ...samplePackets[0]!,
    payload: { kind: "text", text: value },
  });
  const verdicts = await out.write([
    text("one"),
    text("two\nlines"),
    text("three"),
    text("\ud800"),
  ]);
  expect(verdicts?.map((verdict) => (verdict === "done" ? "done" : "failed"))).toEqual([
    "done",
    "failed",
    "done",
    "failed",
  ]);
  expect(verdicts?.[1]).toMatchObject({ failed: { code: "FORMAT_VALUE" } });
  expect(readFileSync(file, "utf8")).toBe("one\nthree\n");
  await out.close();
});

test.each([
  ["a torn line", '{"n":1}\n{"n":2}\n{"n":3,"pa', [1, 2]],
  ["nothing but a torn line", '{"n":1,"pa', []],
  ["a whole line without its end", '{"n":1}\n{"n":2}', [1, 2]],
  ["no torn line", '{"n":1}\n', [1]],
  ["nothing", "", []],
])("a file that ends with %s goes on with whole lines (fault 81)", async (_, before, kept) => {
  const file = newFile();
  writeFileSync(file, before);
  const out = await opened({ file });
  await out.write(numbers(8, 9));
  await out.close();
  expect(numbersIn(file)).toEqual([...kept, 8, 9]);
});

test("cut anywhere within a line, the file is whole again", async () => {
  const whole = '{"n":1,"s":"é"}\n{"n":2,"s":"é"}\n';
  const bytes = Buffer.from(whole);
  for (let end = 0; end <= bytes.length; end++) {
    const file = newFile();
    writeFileSync(file, bytes.subarray(0, end));
    const out = await opened({ file });
    await out.write(numbers(9, 9));
    await out.close();
    const found = numbersIn(file);
    expect([[9], [1, 9], [1, 2, 9]]).toContainEqual(found);
  }
});

test("a long torn line is found over the blocks that are read backwards", async () => {
  const file = newFile();
  writeFileSync(file, `{"n":1}\n{"n":2,"pad":"${"x".repeat(300_000)}`);
  const out = await opened({ file });
  await out.write(numbers(2, 2));
  await out.close();
  expect(numbersIn(file)).toEqual([1, 2]);
});

test("files are put aside before they grow too large, the oldest are deleted", async () => {
  const file = join(dir, "rotated", "r.ndjson");
  const out = await opened({ file, rotate: { bytesMax: 1000, filesMax: 3 } });
  for (let n = 1; n <= 200; n += 10) expect(await out.write(numbers(n, n + 9))).toBeUndefined();
  await out.close();
  const names = readdirSync(join(dir, "rotated")).sort();
  expect(names).toHaveLength(4);
  expect(names[0]).toBe("r.ndjson");
  const found = [...names.slice(1), "r.ndjson"].flatMap((name) => {
    const path = join(dir, "rotated", name);
    expect(statSync(path).size).toBeLessThanOrEqual(1000);
    return numbersIn(path);
  });
  expect(found).toEqual(upTo(200).slice(-found.length));
  expect(found.length).toBeGreaterThan(100);
});

test("a batch that is larger than a file is divided, and a line that is stands alone", async () => {
  const file = join(dir, "divided", "d.ndjson");
  const out = await opened({ file, rotate: { bytesMax: 100, filesMax: 1000 } });
  await out.write(numbers(1, 50));
  await out.write(numbers(51, 52, 500));
  await out.close();
  const names = readdirSync(join(dir, "divided")).sort();
  const found = [...names.slice(1), names[0]!].flatMap((name) =>
    numbersIn(join(dir, "divided", name)),
  );
  expect(found).toEqual(upTo(52));
});

test("a file that was moved or deleted by others is made anew, one that was emptied goes on", async () => {
  const file = newFile();
  const out = await opened({ file });
  await out.write(numbers(1, 1));
  renameSync(file, `${file}.moved`);
  await out.write(numbers(2, 2));
  rmSync(file);
  await out.write(numbers(3, 3));
  writeFileSync(file, "");
  await out.write(numbers(4, 4));
  appendFileSync(file, '{"n":5}\n');
  await out.write(numbers(6, 6));
  await out.close();
  expect(numbersIn(`${file}.moved`)).toEqual([1]);
  expect(numbersIn(file)).toEqual([4, 5, 6]);
});

test("two outputs never write to one file", async () => {
  const file = newFile();
  const out = await opened({ file });
  await expect(opened({ file })).rejects.toMatchObject({ code: "STREAM_TARGET_SHARED" });
  await out.write(numbers(1, 1));
  await out.close();
  await (await opened({ file })).close();
  expect(numbersIn(file)).toEqual([1]);
});

test("closed amid a write that its target takes slowly, it is closed after it, and no other writes until then", async () => {
  const file = newFile();
  spawnSync("mkfifo", [file]);
  const out = await opened({ file });
  // More than a pipe takes without a reader.
  const writing = out.write(numbers(1, 100, 10_000));
  const closing = out.close();
  await expect(opened({ file })).rejects.toMatchObject({ code: "STREAM_TARGET_SHARED" });
  const reader = Bun.spawn(["cat", file], { stdout: "pipe" });
  expect(await writing).toBeUndefined();
  await closing;
  const lines = (await new Response(reader.stdout).text()).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).n)).toEqual(upTo(100));
  await expect(out.write(numbers(1, 1))).rejects.toMatchObject({ code: "STREAM_UNWRITABLE" });
});

test.each(["/proc/nothing/x", "/dev/null/x"])("what cannot be opened says so: %s", async (file) => {
  await expect(opened({ file })).rejects.toMatchObject({
    code: "STREAM_UNWRITABLE",
    kind: "retry",
  });
});

test.each([
  [{ file: "a", stdout: true }, "name only one"],
  [{ stdout: true, connect: { host: "h", port: 1 } }, "name only one"],
  [{ stdout: true, rotate: {} }, "only files are rotated"],
])("the config %p is refused: %s", (config, why) => {
  const parsed = streamOutput.configSchema.safeParse(config);
  expect(parsed.error?.issues[0]?.message).toContain(why);
});

const disks = await useStarted("a full disk", async () => smallDisk("256k", afterAll));
disks.test("a full disk costs no line and doubles none (fault 79)", async ({ dir: disk }) => {
  const file = join(disk, "full.ndjson");
  const out = await opened({ file });
  const ballast = join(disk, "ballast");
  writeFileSync(ballast, Buffer.alloc(100_000));
  let refused = 0;
  for (let n = 1; n <= 400; n += 20) {
    for (;;) {
      const error = await out.write(numbers(n, n + 19, 500)).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error === undefined) break;
      expect(error).toMatchObject({ code: "STREAM_UNWRITABLE", kind: "retry" });
      numbersIn(file);
      if (++refused === 3) rmSync(ballast);
      if (refused > 20) break;
    }
  }
  await out.close();
  expect(refused).toBeGreaterThanOrEqual(3);
  const found = numbersIn(file);
  expect(found).toEqual(upTo(found.length));
  expect(found.length).toBeGreaterThanOrEqual(200);
});

test("a device takes lines too, although it can be neither synced nor put aside", async () => {
  const out = await opened({ file: "/dev/null", rotate: { bytesMax: 10 } });
  for (let n = 0; n < 3; n++) expect(await out.write(numbers(1, 5))).toBeUndefined();
  await out.close();
});

import { afterEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { streamInput } from "#plugins/input/stream/stream-input.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Json } from "#src/flow/position.ts";
import { inputPluginContract, start } from "../../../contract/input-plugin.ts";
import { type FakeInput, fakeInputContext } from "../../../support/fake-context.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { waitFor } from "../../../support/wait-for.ts";

const dir = tempDir("stream-input");
let folders = 0;
const newFile = (text?: string | Buffer): string => {
  const folder = join(dir, String(++folders));
  mkdirSync(folder);
  const path = join(folder, "mail.log");
  if (text !== undefined) writeFileSync(path, text);
  return path;
};
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const textOf = ({ payload }: Packet): string =>
  payload.kind === "text"
    ? payload.text
    : payload.kind === "document"
      ? payload.json
      : payload.kind === "bytes"
        ? `bytes:${Buffer.from(payload.value ?? []).toString("latin1")}`
        : payload.kind;
const texts = (bus: FakeInput) => bus.packets.map(textOf);

async function run(config: object, resume?: Json) {
  const bus = fakeInputContext(resume === undefined ? {} : { resume: { "0": resume } });
  const running = await start(
    streamInput,
    streamInput.configSchema.parse({ pollMs: 2, ...config }),
    bus,
  );
  stops.push(running.stop);
  return { bus, ...running };
}
/** Reads to the end of a file that is not followed. */
async function readAll(config: object, resume?: Json) {
  const { bus, ended } = await run(config, resume);
  const error = await ended;
  return { bus, error, found: texts(bus) };
}
const positionOf = (packet: Packet | undefined): Json =>
  JSON.parse(JSON.stringify(packet?.position));

describe("contract", () =>
  inputPluginContract(streamInput, { config: () => ({ file: newFile("a\nb\nc\n") }) }));
describe("contract of a followed file", () =>
  inputPluginContract(streamInput, { config: () => ({ file: newFile("a\nb\n"), follow: true }) }));

test("every line is a packet, the last one without its end too", async () => {
  const { found, error } = await readAll({ file: newFile("one\r\n\nzwei é\nlast") });
  expect(error).toBeUndefined();
  expect(found).toEqual(["one", "", "zwei é", "last"]);
});

test("from the position of any packet on, the rest comes and nothing twice", async () => {
  const file = newFile("one\r\n\nzwei é\nxxxxxxxxxxxxxxxxxxxx\nlast");
  const config = { file, lineBytesMax: 8 };
  const { bus, found } = await readAll(config);
  for (const [n, packet] of bus.packets.entries()) {
    const { found: rest } = await readAll(config, positionOf(packet));
    const inParts = packet.payload.kind === "bytes";
    // A line in parts begins again, since its rest would pass for a line.
    if (!inParts) expect(rest).toEqual(found.slice(n + 1));
    else expect(found.join("|").endsWith(rest.join("|"))).toBe(true);
  }
});

test("a line that is not UTF-8 is passed on byte by byte with the reason, or stops the input", async () => {
  const file = newFile(Buffer.from("ok\n\xff\xfebad\nok again\n", "latin1"));
  const { found, bus } = await readAll({ file });
  expect(found).toEqual(["ok", "bytes:\xff\xfebad", "ok again"]);
  expect(bus.packets[1]?.payload).toMatchObject({
    headers: [["dbus-error", "STREAM_TEXT_INVALID"]],
  });
  const failing = await readAll({ file, onInvalid: "fail" });
  expect(failing.error).toMatchObject({ code: "STREAM_TEXT_INVALID" });
  expect((failing.error as Error).message).toContain("line 2");
  expect((failing.error as Error).message).not.toContain("bad");
});

test("such lines can have an ident of their own", async () => {
  const file = newFile(Buffer.from("ok\n\xff\n", "latin1"));
  const { bus } = await readAll({ file, invalidIdent: "odd" });
  expect(bus.packets.map(({ ident }) => ident)).toEqual(["fake", "odd"]);
});

test("ndjson keeps every digit, passes over empty lines, and tells what is no JSON", async () => {
  const big = '{"n":18446744073709551615, "d": 1.10}';
  const { found, bus } = await readAll({
    file: newFile(`${big}\n\n  \n{"half":\n[1]\nnull\n`),
    lines: "ndjson",
  });
  expect(found).toEqual([big, 'bytes:{"half":', "[1]", "null"]);
  expect(bus.packets[1]?.payload).toMatchObject({
    headers: [["dbus-error", "STREAM_JSON_INVALID"]],
  });
});

test("a line that is too long comes in parts, and nothing of it is lost", async () => {
  const long = "0123456789".repeat(1000);
  const { found, bus } = await readAll({ file: newFile(`a\n${long}\nb\n`), lineBytesMax: 4096 });
  expect(found[0]).toBe("a");
  expect(found.at(-1)).toBe("b");
  const parts = found.slice(1, -1).map((part) => part.replace("bytes:", ""));
  expect(parts.join("")).toBe(long);
  expect(bus.packets.at(-2)?.payload).toMatchObject({
    headers: [
      ["dbus-error", "STREAM_LINE_TOO_LONG"],
      ["dbus-part", "3 last"],
    ],
  });
});

test("a line without its end is waited for, byte by byte", async () => {
  const file = newFile("a\n");
  const { bus } = await run({ file, follow: true });
  await waitFor(() => bus.packets.length === 1, { what: "the first line" });
  for (const byte of Buffer.from("bé\nc")) {
    appendFileSync(file, Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor(() => bus.packets.length === 2, { what: "the second line" });
  expect(texts(bus)).toEqual(["a", "bé"]);
});

test("a file that is not there yet is waited for when it is followed, and an error otherwise", async () => {
  const file = newFile();
  const { error } = await readAll({ file });
  expect(error).toMatchObject({ code: "STREAM_UNREADABLE", kind: "retry" });
  const { bus } = await run({ file, follow: true });
  await waitFor(() => bus.states.some((state) => state?.includes("waiting for")), {
    what: "it to say so",
  });
  writeFileSync(file, "here\n");
  await waitFor(() => bus.packets.length === 1, { what: "the line" });
  expect(bus.states.at(-1)).toBeNull();
});

test("which file it begins with is stored before anything of it is read", async () => {
  const bus = fakeInputContext({});
  const begun = Promise.withResolvers<void>();
  const stored: unknown[] = [];
  const begin = (positions: Readonly<Record<string, unknown>>) => {
    stored.push(positions[0]);
    return begun.promise;
  };
  const config = streamInput.configSchema.parse({ file: newFile("a\n"), pollMs: 2 });
  const held = { ...bus, context: { ...bus.context, begin } };
  const running = await start(streamInput, config, held);
  stops.push(running.stop);
  await waitFor(() => stored.length > 0, { what: "its beginning" });
  expect([stored[0], bus.packets]).toMatchObject([{ offset: 0 }, []]);
  begun.resolve();
  await running.ended;
  expect(texts(bus)).toEqual(["a"]);
});

test("a rotated file is read to its end before the next one", async () => {
  const file = newFile("1\n");
  const { bus } = await run({ file, follow: true });
  await waitFor(() => bus.packets.length === 1, { what: "the first line" });
  for (let n = 2; n < 30; n += 2) {
    appendFileSync(file, `${n}`);
    renameSync(file, `${file}.${String(n).padStart(6, "0")}`);
    appendFileSync(`${file}.${String(n).padStart(6, "0")}`, " late\n");
    writeFileSync(file, `${n + 1}\n`);
    await waitFor(() => bus.packets.length >= n + 1, { what: `line ${n + 1}` });
  }
  const expected = Array.from({ length: 29 }, (_, i) => (i % 2 ? `${i + 1} late` : `${i + 1}`));
  expect(texts(bus)).toEqual(expected);
  expect(bus.gaps).toEqual([]);
});

test("files that were rotated several times meanwhile are all read, in order", async () => {
  const file = newFile("1\n2\n");
  const { bus: first } = await readAll({ file });
  appendFileSync(file, "3\n");
  renameSync(file, `${file}.1`);
  writeFileSync(file, "4\n");
  renameSync(`${file}.1`, `${file}.2`);
  renameSync(file, `${file}.1`);
  writeFileSync(file, "5\n");
  writeFileSync(`${file}.bak`, "not ours\n");
  const { bus } = await run({ file, follow: true }, positionOf(first.packets[0]));
  await waitFor(() => bus.packets.length === 4, { what: "the other lines" });
  expect(texts(bus)).toEqual(["2", "3", "4", "5"]);
  expect(bus.gaps).toEqual([]);
});

test("a file that is gone for good is a gap that is written down, never silent", async () => {
  const file = newFile("1\n2\n3\n");
  const { bus: first } = await readAll({ file });
  unlinkSync(file);
  writeFileSync(file, "another\n");
  const { bus, found } = await readAll({ file }, positionOf(first.packets[1]));
  expect(found).toEqual(["another"]);
  expect(bus.gaps).toHaveLength(1);
  expect(bus.gaps[0]).toMatchObject({ from: { offset: 4 }, to: { offset: 0 } });
});

test("a file that was rewritten in place is not taken for the one that was read", async () => {
  const file = newFile("1\n2\n3\n");
  const { bus: first } = await readAll({ file });
  writeFileSync(file, "other text that is longer\nand more\n");
  const { bus, found } = await readAll({ file }, positionOf(first.packets[1]));
  expect(found).toEqual(["other text that is longer", "and more"]);
  expect(bus.gaps).toHaveLength(1);
});

test("a file that is emptied while it is read is read from its start", async () => {
  const file = newFile("1\n2\n");
  const { bus } = await run({ file, follow: true });
  await waitFor(() => bus.packets.length === 2, { what: "two lines" });
  truncateSync(file, 0);
  await new Promise((resolve) => setImmediate(resolve));
  appendFileSync(file, "3\n");
  await waitFor(() => bus.packets.length === 3, { what: "the third line" });
  expect(texts(bus)).toEqual(["1", "2", "3"]);
});

test("a deleted file that is followed goes on with the one that takes its place", async () => {
  const file = newFile("1\n");
  const { bus } = await run({ file, follow: true });
  await waitFor(() => bus.packets.length === 1, { what: "the first line" });
  rmSync(file);
  writeFileSync(file, "2\n");
  await waitFor(() => bus.packets.length === 2, { what: "the second line" });
  expect(texts(bus)).toEqual(["1", "2"]);
});

test("nothing is read ahead while the bus takes nothing", async () => {
  const line = `${"x".repeat(99)}\n`;
  const file = newFile(line.repeat(200_000));
  const bus = fakeInputContext({ credit: 1 });
  const config = streamInput.configSchema.parse({ file });
  const { stop } = await start(streamInput, config, bus);
  await waitFor(() => bus.packets.length > 0, { what: "the first packets" });
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
  expect(bus.packets.length).toBeLessThanOrEqual(1024);
  await stop();
});

test.each([
  [{}, "name one of"],
  [{ file: "a", pipe: "b" }, "name one of"],
  [{ pipe: "b", follow: true }, "only a file can be followed"],
  [{ command: [] }, "Too small"],
])("the config %p is refused: %s", (config, why) => {
  expect(streamInput.configSchema.safeParse(config).error?.issues[0]?.message).toContain(why);
});

test("a folder is no file", async () => {
  const { error } = await readAll({ file: dir });
  expect(error).toMatchObject({ code: "STREAM_UNREADABLE" });
});

import { expect, test } from "bun:test";
import fc from "fast-check";
import { DbusError } from "#src/errors.ts";
import { createLog, type LogOptions } from "#src/log-writer.ts";

function collect(options: LogOptions = {}) {
  const lines: string[] = [];
  const log = createLog({ format: "json", ...options, write: (line) => void lines.push(line) });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? "null") };
}
/** What a terminal or a reader of lines would act on. */
const acting = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const evil =
  'x\r\n{"level":"error","message":"forged"}\u001b[2J\u009b31m\u2028\u2029\u202e\u0007\u0000';

test("a line says when, how grave, what, and the fields", () => {
  const { log, lines, last } = collect({ wall: () => 0 });
  log.with({ input: "shop" }).warn("slow", { lagMs: 12, on: true, none: null });
  expect(lines[0]).toEndWith("\n");
  expect(last()).toEqual({
    time: "1970-01-01T00:00:00.000Z",
    level: "warn",
    message: "slow",
    input: "shop",
    lagMs: 12,
    on: true,
    none: null,
  });
});

test("what is below the level is not written", () => {
  const { log, lines } = collect({ level: "warn" });
  log.debug("no");
  log.info("no");
  log.warn("yes");
  log.error("yes");
  expect(lines).toHaveLength(2);
});

for (const format of ["json", "pretty"] as const) {
  test(`S11: no text of any field can forge a line or drive a terminal: ${format}`, () => {
    const { log, lines } = collect({ format });
    log.with({ [evil]: evil }).error(evil, {
      [evil]: evil,
      list: [evil, { [evil]: evil }],
      error: new DbusError("INTERNAL", evil, { place: { path: evil }, cause: new Error(evil) }),
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.indexOf("\n")).toBe((lines[0]?.length ?? 0) - 1);
    // The colours are ours, so they are looked away from.
    expect(Bun.stripANSI(lines[0] ?? "").slice(0, -1)).not.toMatch(acting);
  });

  test(`S11: anything at all makes one line, and never throws: ${format}`, () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.dictionary(fc.string(), fc.anything()),
        (text, fields) => {
          const { log, lines } = collect({ format });
          log.info(text, fields);
          expect(lines).toHaveLength(1);
          expect(lines[0]?.split("\n")).toHaveLength(2);
          if (format === "json") JSON.parse(lines[0] ?? "");
        },
      ),
    );
  });
}

test("a field cannot pretend to be the time, the level or the message", () => {
  const { log, last } = collect();
  log.info("true", { level: "error", message: "forged", time: "then" });
  expect(last()).toMatchObject({
    level: "info",
    message: "true",
    level_: "error",
    message_: "forged",
  });
});

test("an error is spread into what it says, its code, its remedy and its place", () => {
  const { log, last } = collect();
  const error = new DbusError("STATE_LOCKED", "it is held", { place: { file: "a.yaml", line: 3 } });
  log.error("cannot start", { error });
  expect(last()).toMatchObject({
    error: "it is held",
    code: "STATE_LOCKED",
    remedy: error.remedy,
    place: { file: "a.yaml", line: 3 },
  });
  expect(last()).not.toHaveProperty("stack");
  log.error("odd", { error: new TypeError("x is not a function") });
  expect(last().stack).toContain("log-writer.test.ts");
});

test("S11: fields are bounded, each and all together", () => {
  const { log, lines, last } = collect();
  const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i]));
  const deep: { next?: unknown } = {};
  let at = deep;
  for (let n = 0; n < 100_000; n++) at = at.next = {} as { next?: unknown };
  log.info("x".repeat(1 << 20), {
    text: "é".repeat(1 << 20),
    wide,
    deep,
    bytes: new Uint8Array(1 << 20),
  });
  expect(lines[0]?.length).toBeLessThan(40_000);
  expect(last().text).toEndWith("… (1048576 characters)");
  expect(last().bytes).toBe("[1048576 bytes]");
  log.info("many", wide);
  expect(Object.keys(last()).length).toBeLessThan(80);
});

test("what cannot be written as JSON still says what it is", () => {
  const { log, last } = collect();
  const ring: { self?: unknown } = {};
  ring.self = ring;
  const mined = {
    get bad(): never {
      throw new Error("no");
    },
  };
  log.info("odd", {
    ring,
    mined,
    big: 2n ** 64n,
    not: Number.NaN,
    fn: () => 1,
    map: new Map([["a", 1]]),
  });
  expect(last()).toMatchObject({
    ring: { self: "[circular]" },
    mined: "[unreadable]",
    big: "18446744073709551616",
    not: "NaN",
    fn: "[function]",
    map: [["a", 1]],
  });
});

test("a log that cannot be written is no error, and tells later how much is missing (fault 79)", () => {
  const lines: string[] = [];
  let full = true;
  const log = createLog({
    format: "json",
    write(line) {
      if (full) throw new Error("ENOSPC");
      lines.push(line);
    },
  });
  log.info("one");
  log.info("two");
  full = false;
  log.info("three");
  log.info("four");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ message: "three", droppedLines: 2 });
  expect(JSON.parse(lines[1] ?? "")).not.toHaveProperty("droppedLines");
});

test("pretty lines are for people: time, level, message, fields", () => {
  const lines: string[] = [];
  const log = createLog({
    format: "pretty",
    write: (line) => void lines.push(line),
    wall: () => 0,
  });
  log.info('a "quoted" word', { name: "x", n: 1 });
  expect(Bun.stripANSI(lines[0] ?? "")).toBe('00:00:00.000 INFO  a "quoted" word name="x" n=1\n');
});

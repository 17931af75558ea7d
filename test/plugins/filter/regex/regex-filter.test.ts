import { describe, expect, test } from "bun:test";
import { regexFilter } from "#plugins/filter/regex/regex-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { changeOf, documentOf, tableOf, textOf } from "../../../support/field-packets.ts";
import { runFilter, shown } from "../../../support/run-filter.ts";

const pattern = "^(?P<method>[A-Z]+) (?P<path>\\S+)(?: (?P<rest>.+))?$";
const line = textOf("GET /index.html");
const row = changeOf(tableOf("a.b", "id int!", "mail text"), { after: [1, "zoe@example.org"] });

describe("contract", () =>
  filterPluginContract(regexFilter, { config: { pattern }, packets: [line] }));

test("named groups of a text become the fields of a document", async () => {
  expect((await runFilter(regexFilter, { pattern }, [line])).map(shown)).toEqual([
    ['{"method":"GET","path":"/index.html","rest":null}'],
  ]);
});

test("those of a field become further fields beside it", async () => {
  const config = { pattern: "^(?P<user>[^@]+)@", field: "mail" };
  const became = await runFilter(regexFilter, config, [documentOf('{"mail":"a@b","n":1.0}')]);
  expect(became.map(shown)).toEqual([['{"mail":"a@b","n":1.0,"user":"a"}']]);
});

test("matches are replaced, in texts, fields and columns", async () => {
  const config = { pattern: "(\\w)\\w*@(?P<host>\\w+)", replacement: "$1…@${host}$$" };
  const text = await runFilter(regexFilter, config, [textOf("zoe@x, ann@y")]);
  expect(text.map(shown)).toEqual([["z…@x$, a…@y$"]]);
  const column = await runFilter(regexFilter, { ...config, field: "mail" }, [row]);
  expect(column.map(shown)).toEqual([[{ id: 1, mail: "z…@example$.org" }]]);
});

test("what does not match fails, passes or is dropped, as the config says", async () => {
  const outcomes = (["fail", "drop", "pass"] as const).map((onNoMatch) =>
    runFilter(regexFilter, { pattern: "^x", onNoMatch }, [line]),
  );
  const became = (await Promise.all(outcomes)).flat().map(shown);
  expect(became).toEqual(["FILTER_FAILED", [], ["GET /index.html"]]);
});

test("a packet without the field fails, or passes", async () => {
  const config = { pattern: "x", field: "nosuch" };
  expect(await runFilter(regexFilter, config, [row])).toEqual(["FIELD_MISSING"]);
  const became = await runFilter(regexFilter, { ...config, onMissing: "pass" }, [row, line]);
  expect(became.map((one) => one.length)).toEqual([1, 1]);
});

test("a row takes no new columns", async () => {
  const config = { pattern: "(?P<user>.)", field: "mail" };
  expect(await runFilter(regexFilter, config, [row])).toEqual(["FILTER_FAILED"]);
});

test("S14: a pattern that makes others take for ever takes its time once", async () => {
  const long = textOf(`${"a".repeat(50_000)}!`);
  const became = await runFilter(regexFilter, { pattern: "^(a+)+$", onNoMatch: "drop" }, [long]);
  expect(became).toEqual([[]]);
});

test("what is no pattern is refused with the config", () => {
  const said = (text: string) =>
    regexFilter.configSchema.safeParse({ pattern: text }).error?.message;
  expect(said("(a")).toContain("not a regular expression");
  expect(said("(?=a)")).toContain("not a regular expression");
});

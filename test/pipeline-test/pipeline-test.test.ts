import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { runDbusd } from "#src/cli/run-dbusd.ts";

const scratch = mkdtempSync(join(tmpdir(), "dbus-pipelines-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function dbusd(...argv: string[]) {
  let out = "";
  let err = "";
  const code = await runDbusd(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    terminal: false,
    dbc: "dbc",
  });
  return { code, out, err };
}

const config = {
  inputs: [
    { name: "in", plugin: "StreamInput", file: "-" },
    { name: "other", plugin: "MockInput" },
  ],
  filters: [
    { name: "w", plugin: "WhereFilter", match: "in", when: "row.n > 1" },
    { name: "slow", plugin: "ThrottleFilter", match: "w", perSecond: 1 },
    { name: "c", plugin: "CountFilter", match: "slow", by: { n: "row.n" }, time: "arrival" },
  ],
  outputs: [
    { name: "out", plugin: "KafkaOutput", match: ["slow"], brokers: ["127.0.0.1:1"], topic: "x" },
    { name: "counts", plugin: "MockOutput", match: ["c", "other"] },
  ],
};

let files = 0;
function fileWith(tests: unknown, more: object = {}): string {
  const name = join(scratch, `case${++files}`);
  writeFileSync(`${name}.yaml`, JSON.stringify(config));
  writeFileSync(`${name}.test.yaml`, JSON.stringify({ ...more, tests }));
  return `${name}.test.yaml`;
}

const doc = (n: unknown) => ({ document: { n } });
const packets = [1, 2, 3].map(doc);
const passes = {
  name: "what is large passes",
  from: "in",
  packets,
  expect: { out: [doc(2), doc(3)] },
  ignore: ["counts"],
};

describe("dbusd --test", () => {
  test("runs the real filters by the real routes, without an input or output, and waits for nobody", async () => {
    const { code, out, err } = await dbusd("--test", fileWith([passes]));
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("  ok   what is large passes\n1 tests, all ok\n");
  });

  test("shows line by line what is different, and ends with 1", async () => {
    const wrong = { ...passes, expect: { out: [doc(2), doc(4)] } };
    const file = fileWith([wrong, passes]);
    writeFileSync(file, readFileSync(file, "utf8").replace('"tests":[', '"tests":[\n\n'));
    const { code, out } = await dbusd("--test", file);
    expect(code).toBe(1);
    expect(out).toContain(`FAIL what is large passes (${file}:3)`);
    expect(out).toMatch(/^ +- {5}n: 4\n +\+ {5}n: 3$/m);
    expect(out).toContain("2 tests, 1 failed");
  });

  test("an output that gets packets and is not named fails the test", async () => {
    const { code, out } = await dbusd("--test", fileWith([{ ...passes, ignore: [] }]));
    expect(code).toBe(1);
    expect(out).toContain("counts: - is what was expected, + is what came");
  });

  test("a packet too many or too few fails it", async () => {
    for (const expected of [[doc(2)], [doc(2), doc(3), doc(3)], [doc(3), doc(2)]]) {
      const { code } = await dbusd("--test", fileWith([{ ...passes, expect: { out: expected } }]));
      expect(code).toBe(1);
    }
  });

  test("what fails in a filter is told, by node, code and words", async () => {
    const failing = {
      name: "a text is no number",
      at: "w",
      packets: [doc("x"), { text: "no JSON" }],
      expect: {
        deadletters: [{ node: "w", code: "EXPRESSION_FAILED", reason: "no such overload" }, {}],
      },
    };
    expect(await dbusd("--test", fileWith([failing]))).toMatchObject({ code: 0 });
    const quiet = { ...failing, expect: {} };
    const { code, out } = await dbusd("--test", fileWith([quiet]));
    expect(code).toBe(1);
    expect(out).toContain("code: EXPRESSION_FAILED");
  });

  test("counts are given when all packets are through", async () => {
    const counting = {
      name: "two of one",
      from: "in",
      packets: [2, 2, 3].map(doc),
      expect: {
        counts: [
          { document: { window: "1970-01-01T00:00:00.000Z", n: 2, count: 2, bytes: 200 } },
          { document: { window: "1970-01-01T00:00:00.000Z", n: 3, count: 1, bytes: 100 } },
        ],
      },
      ignore: ["out"],
    };
    expect(await dbusd("--test", fileWith([counting]))).toMatchObject({ code: 0 });
  });

  test("--json is for machines, with what is different", async () => {
    const wrong = { ...passes, expect: { out: [] } };
    const { code, out } = await dbusd("--test", "--json", fileWith([wrong]), "nosuch.test.yaml");
    const { files: found, unusable } = JSON.parse(out);
    expect(code).toBe(2);
    expect(found[0].tests[0]).toMatchObject({ ok: false, differences: [{ at: "out" }] });
    expect(unusable[0]).toMatchObject({ error: { code: "CONFIG_NOT_FOUND" } });
  });

  test("config: names a file beside the tests, or one by its whole path", async () => {
    const config = fileWith([passes]).replace(".test.yaml", ".yaml");
    for (const named of [config, basename(config)]) {
      expect(await dbusd("--test", fileWith([passes], { config: named }))).toMatchObject({
        code: 0,
      });
    }
  });

  test("names that are not there, and files that are wrong, are told with their places", async () => {
    const { out } = await dbusd("--test", fileWith([{ ...passes, from: undefined }]));
    expect(out).toContain("the test does not say which input its packets are from");
    const nosuch = await dbusd("--test", fileWith([{ ...passes, expect: { nosuch: [] } }]));
    expect(nosuch.out).toContain("there is no output nosuch");
    expect(nosuch.out).toContain("there are deadletters, unrouted, out, counts");
    const two = { ...passes, packets: [{ text: "x", document: 1 }] };
    const wrong = await dbusd("--test", fileWith([two]));
    expect([wrong.code, wrong.err]).toEqual([
      2,
      expect.stringMatching(/tests\[0\]\.packets\[0\]: .*a packet is one of row, document/),
    ]);
    const unknown = await dbusd("--test", fileWith([{ ...passes, expects: {} }]));
    expect(unknown.err).toContain("unknown key expects");
    const usage = await dbusd("--json", "x.yaml");
    expect([usage.code, usage.err]).toEqual([
      2,
      expect.stringContaining("--json goes with --test"),
    ]);
  });
});

for (const name of readdirSync("etc").filter((one) => one.endsWith(".test.yaml"))) {
  test(`the tests of etc/${name} pass`, async () => {
    const { code, out, err } = await dbusd("--test", `etc/${name}`);
    expect([code, err, out]).toEqual([0, "", expect.stringContaining("all ok")]);
  });
}

import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Letter,
  type Line,
  placeOf,
  rowKeys,
  rowsOfShop,
  shopFolder,
  withId,
} from "../support/shop-folder.ts";
import { waitFor } from "../support/wait-for.ts";

/** A letter names its transaction, and the row's turn in it: that is where the row was read. */
function expectSameRows(letters: readonly Letter[], lines: readonly Line[]): void {
  expect(letters).toHaveLength(lines.length);
  letters.forEach((letter, i) => {
    const { file, pos, rows } = placeOf(letter);
    expect(file).toBe("binlog.000001");
    expect(rows).toBeGreaterThan(0);
    // The row stands behind the beginning of its transaction, and before that of any later one.
    expect(pos).toBeLessThan(lines[i]?.pos ?? 0);
    const next = letters.slice(i + 1).find((other) => placeOf(other).pos > pos);
    if (next) expect(lines[i]?.pos).toBeLessThan(placeOf(next).pos);
  });
  expect(new Set(letters.map(({ position }) => position)).size).toBe(letters.length);
}

const dividing = (more = "") => `filters:
  - {name: by-id, plugin: WhereFilter, match: shop, ${more} when: "1000 / (row.id - 7) < 1000000"}
outputs:
  - {name: all, plugin: StreamOutput, match: shop}
  - {name: some, plugin: StreamOutput, match: by-id}`;

test("an expression that throws for some rows: each is listed with its place, the others arrive", async () => {
  const bus = shopFolder("where");
  bus.write(dividing());
  const { through, letters, dbc, stop } = await bus.start();
  await through();
  const all = bus.lines("all");
  const failing = withId(all, 7);
  expect([all.length, failing.length > 5]).toEqual([rowsOfShop, true]);
  const others = all.filter((line) => !failing.includes(line));
  expect(rowKeys(bus.lines("some"))).toEqual(rowKeys(others));
  const listed = await letters();
  expectSameRows(listed, failing);
  for (const letter of listed) {
    expect(letter).toMatchObject({ node: "by-id", input: "shop", code: "EXPRESSION_FAILED" });
    expect(letter.reason).toContain("division by zero");
  }
  const table = (await dbc("deadletters", "list")).trimEnd().split("\n");
  expect(table).toHaveLength(listed.length + 1);
  listed.forEach((letter, i) => {
    const { file, pos, rows } = placeOf(letter);
    expect(table[i + 1]).toMatch(
      new RegExp(
        `^${letter.id} .* by-id +shop +${file}:${pos} row ${rows} +shop +EXPRESSION_FAILED `,
      ),
    );
  });
  // The letter holds the row itself.
  const shown = await dbc("deadletters", "show", `${listed[0]?.id}`, "--json");
  const { packet } = JSON.parse(shown) as { packet: { payload: { after: unknown[] } } };
  expect(packet.payload.after[0]).toBe(7);
  expect(await dbc("status")).toContain(`${listed.length} dead letters: dbc deadletters list`);
  await stop();
}, 60_000);

test("with onFailed: block it stops there and says so, and a mended expression takes it on", async () => {
  const bus = shopFolder("block");
  bus.write(dividing("onFailed: block,"));
  const { dbusd, through, letters, dbc, stat, stop } = await bus.start({ ready: false });
  await waitFor(async () => (await stat()).filters[0]?.state === "blocked", { what: "the stop" });
  await waitFor(() => bus.lines("all").length === rowsOfShop, { what: "who is not behind it" });
  const failing = withId(bus.lines("all"), 7);
  const before = () => rowKeys(bus.lines("all").filter(({ pos }) => pos < (failing[0]?.pos ?? 0)));
  await waitFor(() => bus.lines("some").length === before().length, { what: "what is before it" });
  const status = await dbc("status");
  const place = /it does not go on at (\{.*\}): the expression failed: division by zero/.exec(
    status,
  );
  expectSameRows([{ position: place?.[1] } as Letter], failing.slice(0, 1));
  expect(status).toMatch(/by-id +blocked/);
  expect(await letters()).toEqual([]);
  const { pid } = await stat();

  bus.write(
    dividing("onFailed: block,").replace("(row.id - 7)", "(row.idd - 7)").replace("when", "wehn"),
  );
  dbusd.kill("SIGHUP");
  await waitFor(async () => (await stat()).config.refused, { what: "a refusal" });
  expect(rowKeys(bus.lines("some"))).toEqual(before());

  bus.write(dividing("onFailed: block,").replace("1000 / (row.id - 7)", "row.id"));
  dbusd.kill("SIGHUP");
  await through();
  expect((await stat()).pid).toBe(pid);
  expect(rowKeys(bus.lines("some"))).toEqual(rowKeys(bus.lines("all")));
  expect(bus.lines("all")).toHaveLength(rowsOfShop);
  expect(await dbc("deadletters", "list")).toBe("there are no dead letters\n");
  await stop();
}, 60_000);

test("what is blocked is still there after a restart, and is written once when it is mended", async () => {
  const bus = shopFolder("block-restart");
  const blocking = (when: string) => `filters:
  - {name: by-id, plugin: WhereFilter, match: shop, onFailed: block, when: "${when}"}
outputs: [{name: some, plugin: StreamOutput, match: by-id}]`;
  bus.write(blocking("1000 / (row.id - 7) < 1000000"));
  for (let starts = 0; starts < 2; starts++) {
    const { stat, dbc, stop } = await bus.start({ ready: false });
    await waitFor(async () => (await stat()).filters[0]?.state === "blocked", { what: "the stop" });
    expect(await dbc("status")).toContain("division by zero");
    await stop();
  }
  bus.write(blocking("true"));
  const { through, stop } = await bus.start();
  await through();
  const keys = rowKeys(bus.lines("some"));
  expect(new Set(keys).size).toBe(rowsOfShop);
  // At least once: what had passed before a stop whose checkpoint is behind it may come again.
  expect(keys.length - rowsOfShop).toBeLessThanOrEqual(2 * 6);
  await stop();
}, 60_000);

test("a promise that never settles: three time limits, then that row alone is a dead letter", async () => {
  const bus = shopFolder("never");
  const script = `export async function filter(change) {
    if (change.table === "shop.orders" && change.op === "I" && change.after.id === 7n) await new Promise(() => {});
    return change;
  }\n`;
  writeFileSync(join(bus.folder, "wait.ts"), script);
  bus.write(`filters: [{name: wait, plugin: ScriptFilter, match: shop, file: ./wait.ts, timeoutMs: 200}]
outputs:
  - {name: all, plugin: StreamOutput, match: shop}
  - {name: some, plugin: StreamOutput, match: wait}`);
  const { through, letters, stat, stop } = await bus.start();
  await through();
  const [stuck] = withId(bus.lines("all"), 7).filter(({ tbl }) => tbl === "orders");
  const listed = await letters();
  expect(listed).toMatchObject([{ node: "wait", code: "PACKET_POISON", crashes: 3 }]);
  expectSameRows(listed, stuck ? [stuck] : []);
  expect(listed[0]?.reason).toContain("did not return within 200 ms");
  // Each of the others, in order: what a filter that is opened again is given anew overtakes nothing.
  const others = bus.lines("all").filter(({ pos }) => pos !== stuck?.pos);
  expect(rowKeys(bus.lines("some"))).toEqual(rowKeys(others));
  expect((await stat()).filters).toMatchObject([{ timeouts: 3, poisoned: 1, suspects: 0 }]);
  await stop();
}, 60_000);

test("a column that is not there: names that can be known are refused by --check, rows are kept", async () => {
  const bus = shopFolder("columns");
  const outputs = `outputs:
  - {name: orders, plugin: StreamOutput, match: "by.*", folder: by}
  - {name: picked, plugin: StreamOutput, match: pick}`;
  bus.write(`filters:
  - {name: route, plugin: RouteFilter, match: shop, rules: [{ident: "by.\${row}"}, {ident: "by.\${tabel}"}]}
  - {name: pick, plugin: PickFilter, match: shop, fields: [id, total]}
${outputs}
  - {name: kafka, plugin: KafkaOutput, match: pick, brokers: ["127.0.0.1:1"], topic: "x.\${row.total}"}
  - {name: es, plugin: EsOutput, match: pick, nodes: ["http://127.0.0.1:1"], index: "x-\${tabel}"}`);
  const wrong = await bus.check();
  expect(wrong.code).toBe(2);
  for (const part of [
    /bus\.yaml:3:\d+: error: filters\[0\]\.rules\[0\]\.ident: nothing stands for \$\{row\}/,
    /bus\.yaml:3:\d+: error: filters\[0\]\.rules\[1\]\.ident: nothing stands for \$\{tabel\}/,
    /bus\.yaml:8:\d+: error: outputs\[2\]\.topic: \$\{row\.total\} is not known here/,
    /bus\.yaml:9:\d+: error: outputs\[3\]\.index: \$\{tabel\} is not known here: .*\$\{row\.COLUMN\}/,
  ]) {
    expect(wrong.said).toMatch(part);
  }

  // Whether a table has a column, only its rows say.
  bus.write(`filters:
  - {name: route, plugin: RouteFilter, match: shop, rules: [{ident: "by.\${row.status}"}]}
  - {name: pick, plugin: PickFilter, match: shop, fields: [id, total]}
${outputs}`);
  expect((await bus.check()).code).toBe(0);
  const { through, letters, stop } = await bus.start();
  await through();
  const listed = await letters();
  const without = rowsOfShop - 126;
  for (const [node, field] of [
    ["route", "status"],
    ["pick", "total"],
  ] as const) {
    const own = listed.filter((letter) => letter.node === node);
    expect([node, own.length]).toEqual([node, without]);
    for (const letter of own) {
      expect(letter).toMatchObject({ code: "FIELD_MISSING", input: "shop" });
      expect(letter.reason).toMatch(
        new RegExp(`^shop\\.(customers|payments) has no field ${field}$`),
      );
      expect(placeOf(letter)).toMatchObject({ file: "binlog.000001", pos: expect.any(Number) });
    }
    expect(new Set(own.map(({ position }) => position)).size).toBe(without);
  }
  expect(bus.lines("picked")).toHaveLength(126);
  await stop();
}, 60_000);

test("SIGHUP takes a changed script file, in its turn, and refuses one that is no TypeScript", async () => {
  const bus = shopFolder("script");
  const source = join(bus.folder, "lines.txt");
  writeFileSync(source, "");
  const script = (mark: string) =>
    writeFileSync(
      join(bus.folder, "mark.ts"),
      `export function filter(change) { return { ...change, text: change.text + " ${mark}" }; }\n`,
    );
  script("one");
  writeFileSync(
    join(bus.folder, "bus.yaml"),
    `inputs: [{name: in, plugin: StreamInput, file: lines.txt, follow: true, pollMs: 5, lines: text}]
filters: [{name: mark, plugin: ScriptFilter, match: in, file: ./mark.ts}]
outputs: [{name: out, plugin: StreamOutput, match: mark, file: out.txt, lines: raw}]
`,
  );
  const out = () => {
    const file = join(bus.folder, "out.txt");
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  };
  const say = async (...texts: readonly string[]) => {
    const before = out().length;
    writeFileSync(source, texts.map((text) => `${text}\n`).join(""), { flag: "a" });
    await waitFor(() => out().length >= before + texts.length, { what: texts.join() });
  };
  const { dbusd, dbc, stat, stop } = await bus.start();
  const runs = (version: number) =>
    waitFor(async () => (await stat()).config.version === version, { what: `version ${version}` });
  await say("a", "b");
  script("two");
  // Only whoever asks for it gets it.
  await say("c");
  dbusd.kill("SIGHUP");
  await runs(2);
  await say("d");
  writeFileSync(join(bus.folder, "mark.ts"), "export function filter(change) { return ;;) }");
  dbusd.kill("SIGHUP");
  await waitFor(async () => (await stat()).config.refused, { what: "a refusal" });
  expect(await dbc("status")).toMatch(/^the reload of .* was refused, .*mark\.ts/m);
  await say("e");
  script("three");
  dbusd.kill("SIGHUP");
  await runs(3);
  await say("f");
  expect(out()).toEqual(["a one", "b one", "c one", "d two", "e two", "f three"]);
  expect((await stat()).config.refused).toBeNull();
  await stop();
}, 60_000);

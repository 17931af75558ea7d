import { expect, test } from "bun:test";
import { mysqlbinlogFilter } from "#plugins/filter/mysqlbinlog/mysqlbinlog-filter.ts";
import { tableFilter } from "#src/clients/mysql/table-patterns.ts";
import { identMatches, patternsIntersect } from "#src/flow/match.ts";
import { fakeFilterContext } from "../support/fake-context.ts";
import { notePacket, noteTable } from "../support/row-packets.ts";

/** As many as make the most ways to divide a name among them. */
const stars = `${"a*".repeat(12)}b`;
const name = "a".repeat(64);

/** Runs it and says how long it took; a regular expression of such stars would never end. */
function ms(work: () => void): number {
  const since = performance.now();
  work();
  return performance.now() - since;
}

test("S14: patterns of many stars are matched in no time, wherever they stand", () => {
  const tables = tableFilter(
    { include: [stars], exclude: [stars] },
    { include: ["*", `${stars}.${stars}`], exclude: [] },
  );
  const took = ms(() => {
    for (let n = 0; n < 100; n++) {
      expect(identMatches(stars, name.repeat(4))).toBe(false);
      expect(tables(name, name)).toBe(false);
    }
    expect(patternsIntersect(stars, `${"*a".repeat(12)}c`)).toBe(false);
  });
  expect(took).toBeLessThan(1_000);
});

test("S14: the rules of the binlog filter as well", async () => {
  const { context } = fakeFilterContext();
  const config = mysqlbinlogFilter.configSchema.parse({
    rules: [
      { database: stars, table: stars, ident: "x" },
      { database: "s*p", table: "*", ident: "found" },
    ],
  });
  const state = await mysqlbinlogFilter.open(context, config);
  const packet = notePacket(noteTable("shop", name), "I", { after: [1, "x"] });
  let applied: unknown;
  const took = ms(() => {
    applied = mysqlbinlogFilter.apply(state, packet, context);
  });
  expect(applied).toMatchObject({ ident: "found" });
  expect(took).toBeLessThan(1_000);
});

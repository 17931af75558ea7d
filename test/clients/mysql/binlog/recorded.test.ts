import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Value } from "#src/flow/packet.ts";
import { readBinlog } from "../../../support/binlog-rows.ts";
import { same, spell } from "../../../support/golden.ts";
import { typeZoo } from "../../../support/type-zoo.ts";

const fixtures = join(import.meta.dir, "../../../fixtures/binlog");

for (const flavor of ["mysql", "mariadb"] as const) {
  const zoo = typeZoo(flavor, { small: true });

  async function answers(): Promise<(string | null)[][]> {
    return Bun.file(join(fixtures, `${flavor}-types.json`)).json();
  }

  function wrong(answer: readonly (string | null)[], row: readonly Value[] | undefined): string[] {
    return zoo.flatMap((column, c) => {
      const decoded = spell(row?.[c + 1], column.ask);
      const fits = same(answer[c]!, decoded, column.ask, column.type === "float");
      return fits ? [] : [`${column.name}: ${answer[c]} is not ${decoded}`];
    });
  }

  describe(`recorded from ${flavor}`, () => {
    test("every inserted value is what the server answered", async () => {
      const rows = await readBinlog(join(fixtures, `${flavor}-types.binlog`), { flavor });
      const golden = await answers();
      expect(rows.map(({ op }) => op)).toEqual(golden.map(() => "I"));
      for (const [r, answer] of golden.entries()) expect(wrong(answer, rows[r]!.after)).toEqual([]);
    });

    test("updates have both images and deletes the one before", async () => {
      const rows = await readBinlog(join(fixtures, `${flavor}-changes.binlog`), { flavor });
      const golden = await answers();
      const updates = rows.filter(({ op }) => op === "U");
      for (const [r, answer] of golden.entries()) {
        expect(wrong(answer, updates[r]!.before)).toEqual([]);
        expect(wrong(answer, updates[r]!.after)).toEqual([]);
        expect([updates[r]!.before![0], updates[r]!.after![0]]).toEqual([r, r + 1000]);
      }
      const deletes = rows.filter(({ op }) => op === "D");
      expect(deletes.map(({ before }) => before![0])).toEqual(
        golden.map((_, r) => r + 1000).slice(2),
      );
      expect(deletes.every(({ after }) => after === undefined)).toBe(true);
    });

    test("names, key, types and nullability are those of the definition", async () => {
      const [row] = await readBinlog(join(fixtures, `${flavor}-types.binlog`), { flavor });
      const { columns, primaryKey } = row!.table;
      expect(columns.map(({ name }) => name)).toEqual(["id", ...zoo.map(({ name }) => name)]);
      expect(primaryKey).toEqual([0]);
      expect(columns[0]!.nullable).toBe(false);
      for (const [c, { name, type }] of zoo.entries()) {
        const column = columns[c + 1]!;
        const written = type
          .replace(/ character set \w+| null$/g, "")
          .replace("geometrycollection", "geomcollection");
        // MariaDB keeps JSON as text and says no more in its binlog.
        const expected = flavor === "mariadb" && name === "js" ? "longtext" : written;
        expect(column.type).toBe(expected);
      }
    });
  });
}

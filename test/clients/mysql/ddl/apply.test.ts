import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { applyStatement } from "#src/clients/mysql/ddl/apply.ts";
import type { TableModel } from "#src/clients/mysql/ddl/table-model.ts";

const column = (name: string) => ({ name, type: "int", charset: null, nullable: true });
const orders: TableModel = {
  columns: [column("id"), column("x"), column("y")],
  primaryKey: ["id"],
  charset: "utf8mb4",
};
const tables = {
  known: (db: string, table: string) => (db === "shop" && table === "orders" ? orders : undefined),
  absent: () => false,
};
const apply = (sql: string) => applyStatement(sql, "shop", "mysql", tables);
const namesOf = (sql: string) =>
  apply(sql)?.changes.map(({ model }) => model?.columns.map((c) => c.name).join());

describe("a statement", () => {
  test("is applied to what is known, as both servers do (they are asked elsewhere)", () => {
    expect(namesOf("ALTER TABLE orders ADD z INT AFTER id, DROP y")).toEqual(["id,z,x"]);
    expect(namesOf("ALTER TABLE orders RENAME COLUMN x TO y, RENAME COLUMN y TO x")).toEqual([
      "id,y,x",
    ]);
    expect(
      apply("ALTER TABLE orders RENAME COLUMN id TO key1")?.changes[0]?.model?.primaryKey,
    ).toEqual(["key1"]);
    expect(namesOf("RENAME TABLE orders TO other.o")).toEqual([undefined as never, "id,x,y"]);
  });

  test("that is not understood for sure says so", () => {
    for (const sql of [
      "ALTER TABLE unknown ADD x INT",
      "ALTER TABLE orders ADD x INT",
      "ALTER TABLE orders DROP nothing",
      "ALTER TABLE orders ADD z constructor",
      "ALTER TABLE orders ADD z toString(3)",
      "ALTER TABLE orders ADD z INT SOMETHING NEW",
      "ALTER TABLE orders ADD z VARCHAR(9) DEFAULT 'a\\\\'",
      "ALTER TABLE orders RENAME COLUMN x TO z, ADD w INT AFTER z",
      "ALTER TABLE orders CONVERT TO CHARACTER SET latin1",
      "ALTER TABLE orders ADD PERIOD FOR SYSTEM_TIME (a, b)",
      "CREATE TABLE t (id INT, ID INT)",
      "CREATE TABLE t (id INT) AS SELECT 1",
      "CREATE TABLE t LIKE unknown",
      "CREATE TABLE t (id INT",
      "CREATE TABLE t (id INT) /* open",
      "CREATE TABLE t (id INT /*!90000 NOT NULL */)",
      "ALTER DATABASE shop CHARACTER SET latin1",
      "SET @a = 1",
      "",
    ]) {
      expect([sql, apply(sql)]).toEqual([sql, undefined]);
    }
  });

  test("of any kind ends with an answer, never with an error or without end", () => {
    const words = fc.constantFrom(
      ..."ALTER CREATE TABLE orders ADD DROP COLUMN x y INT ( ) , . = ' \" ` 'a' 5 -1 /* */ /*! -- # ; \\ \u0000 é".split(
        " ",
      ),
      ..."PRIMARY KEY CONSTRAINT CHECK FIRST AFTER RENAME TO CHANGE MODIFY DEFAULT PARTITION BY LIKE".split(
        " ",
      ),
      ..."ENUM SET VARCHAR CHARACTER COLLATE COMMENT AS GENERATED ALWAYS __proto__ constructor \n".split(
        " ",
      ),
    );
    fc.assert(
      fc.property(
        fc.array(words, { maxLength: 30 }),
        fc.constantFrom("mysql", "mariadb"),
        (parts, flavor) => {
          const sql = parts.join(" ");
          for (const text of [sql, `ALTER TABLE orders ${sql}`, `CREATE TABLE t (${sql})`]) {
            const changes = applyStatement(text, "shop", flavor as "mysql" | "mariadb", tables);
            expect(changes === undefined || Array.isArray(changes.changes)).toBe(true);
          }
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

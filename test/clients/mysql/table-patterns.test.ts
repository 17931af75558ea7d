import { expect, test } from "bun:test";
import { everything, tableFilter } from "#src/clients/mysql/table-patterns.ts";

const only = (...include: string[]) => ({ include, exclude: [] });

test("a table is read when an include has it and no exclude does", () => {
  const filter = tableFilter(only("shop", "crm_*"), {
    include: ["shop.*", "crm_*.order?", "*.a.b"],
    exclude: ["*.audit_*"],
  });
  expect(filter("shop", "orders")).toBe(true);
  expect(filter("shop", "audit_2026")).toBe(false);
  expect(filter("shopping", "orders")).toBe(false);
  expect(filter("crm_x", "order?")).toBe(true);
  expect(filter("crm_x", "orders")).toBe(false);
  expect(filter("crm_x", "a.b")).toBe(true);
  expect(filter("crm_x", "aXb")).toBe(false);
  expect(filter("Shop", "orders")).toBe(false);
});

test("the server's own databases are read only when they are named", () => {
  expect(tableFilter(everything, everything)("mysql", "user")).toBe(false);
  expect(tableFilter(everything, everything)("shop", "user")).toBe(true);
  expect(tableFilter(only("my*"), everything)("mysql", "user")).toBe(false);
  expect(tableFilter(only("mysql"), everything)("mysql", "user")).toBe(true);
  expect(tableFilter(everything, only("mysql.user"))("mysql", "user")).toBe(true);
  expect(tableFilter(everything, only("mysql.user"))("mysql", "db")).toBe(false);
});

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NamedTable, tableTypes } from "#src/cli/table-types.ts";

function tableOf(db: string, table: string, columns: Record<string, string>): NamedTable {
  const all = Object.entries(columns).map(([name, type]) => ({
    name,
    type: type.replace("?", ""),
    charset: null,
    nullable: type.endsWith("?"),
  }));
  return { db, table, created: null, model: { columns: all, primaryKey: [], charset: undefined } };
}

const tables = [
  tableOf("shop", "orders", { id: "bigint unsigned", total: "decimal(10,2)?", at: "datetime(3)" }),
  tableOf("shop", "odd `name`; */", { "a-b": "json?", __proto__x: "varbinary(9)", n: "int" }),
  tableOf("Shop", "Orders", { flags: "bit(3)", e: "enum('a','b')", where: "point" }),
];

test("each table has a type, and Change narrows by its name", () => {
  const text = tableTypes(tables);
  expect(text).toContain("export type ShopOrders = {\n  id: bigint;\n  total: string | null;");
  expect(text).toContain("export type ShopOrders2 = {\n  flags: bigint;\n  e: string;");
  expect(text).toContain('  "a-b": JsonText | null;');
  expect(text).toContain('  | Row<"shop.odd `name`; */", ShopOddName>');
});

test("what it writes is TypeScript that the compiler takes, whatever tables are called", () => {
  const folder = mkdtempSync(join(tmpdir(), "dbus-types-"));
  try {
    writeFileSync(join(folder, "tables.d.ts"), tableTypes(tables));
    writeFileSync(
      join(folder, "use.ts"),
      `import type { Change, Context } from "./tables.d.ts";
       export function filter(change: Change, { args }: Context): Change | null {
         if (change.table === "shop.orders" && change.after) {
           const id: bigint = change.after.id;
           change.after.total = id > 5n ? null : String(args.x);
         }
         return change;
       }
       // @ts-expect-error: there is no such column
       export const wrong = (change: Change) => change.table === "shop.orders" && change.after?.nosuch;
      `,
    );
    const tsc = join(import.meta.dir, "../../node_modules/.bin/tsc");
    const options = ["--noEmit", "--strict", "--allowImportingTsExtensions", "--target", "esnext"];
    const argv = [process.execPath, "--bun", tsc, ...options, "--ignoreConfig", "--types", ""];
    const { exitCode, stdout } = Bun.spawnSync([...argv, join(folder, "use.ts")], { cwd: folder });
    expect([stdout.toString(), exitCode]).toEqual(["", 0]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

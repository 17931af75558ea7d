import { afterAll, expect } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Connection, createConnection } from "mysql2/promise";
import type { RowChange } from "#src/flow/packet.ts";
import { type MysqlFlavor, startMysql, useStarted } from "../../services/index.ts";
import { readBinlog } from "../../support/binlog-rows.ts";
import { same, spell } from "../../support/golden.ts";
import { askSql, typeZoo, zooStatements } from "../../support/type-zoo.ts";

for (const flavor of ["mysql", "mariadb"] as const) {
  const server = await useStarted(flavor, async () => {
    const started = await startMysql({ flavor, args: ["--binlog-row-metadata=FULL"] });
    afterAll(() => started.stop());
    return started;
  });

  server.test(
    `every type of ${flavor} is decoded as the server itself reads it (fault 99)`,
    async (at) => {
      const db = await createConnection({ ...loginOf(at), rowsAsArray: true });
      for (const sql of zooStatements(flavor, "zoo_types")) await db.query(sql);
      const answers = await ask(db, flavor);
      await db.query("UPDATE zoo SET id = id + 1000");
      await db.query("DELETE FROM zoo");
      await db.end();
      const rows = (await readBinlog(newestBinlog(at.dir), { flavor })).filter(
        ({ table }) => table.name === "zoo",
      );
      const inserted = rows.filter((row) => row.op === "I");
      expect(inserted.length).toBe(answers.length);
      expect(
        differences(
          flavor,
          answers,
          inserted.map((row) => row.after!),
        ),
      ).toEqual([]);
      const updated = rows.filter((row) => row.op === "U");
      expect(
        differences(
          flavor,
          answers,
          updated.map((row) => row.before!),
        ),
      ).toEqual([]);
      expect(
        differences(
          flavor,
          answers,
          updated.map((row) => row.after!),
        ),
      ).toEqual([]);
      const deleted = rows.filter((row) => row.op === "D");
      expect(
        differences(
          flavor,
          answers,
          deleted.map((row) => row.before!),
        ),
      ).toEqual([]);
    },
  );
}

type At = { readonly host: string; readonly port: number; readonly user: string };

function loginOf({ host, port, user }: At) {
  return { host, port, user, multipleStatements: false };
}

async function ask(db: Connection, flavor: MysqlFlavor): Promise<(string | null)[][]> {
  const list = typeZoo(flavor).map(askSql).join(", ");
  const [rows] = await db.query(`SELECT ${list} FROM zoo ORDER BY id`);
  return rows as unknown as (string | null)[][];
}

function newestBinlog(dir: string): string {
  const names = readdirSync(dir).filter((name) => /^binlog\.\d+$/.test(name));
  return join(dir, names.sort().at(-1)!);
}

/** Every value that is not what the server says, in words. */
function differences(
  flavor: MysqlFlavor,
  answers: readonly (string | null)[][],
  rows: readonly NonNullable<RowChange["after"]>[],
): string[] {
  const found: string[] = [];
  for (const [r, answer] of answers.entries()) {
    for (const [c, column] of typeZoo(flavor).entries()) {
      const decoded = spell(rows[r]?.[c + 1], column.ask);
      if (same(answer[c]!, decoded, column.ask, column.type === "float")) continue;
      const shown = [answer[c], decoded].map((text) => String(text).slice(0, 60));
      found.push(`${column.name} ${column.type.slice(0, 40)}: ${shown.join(" is not ")}`);
    }
  }
  return found;
}

import { expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDbc } from "#src/cli/dbc.ts";
import { useServices } from "../../services/index.ts";
import { freshDatabase } from "../../support/mysql-client.ts";

const services = await useServices("mysql");

services.test(
  "dbc types writes the types of the tables that a configuration reads",
  async ({ mysql }) => {
    const { client, db } = await freshDatabase(mysql, "types");
    await client.query(
      `CREATE TABLE ${db}.orders (id BIGINT UNSIGNED PRIMARY KEY, total DECIMAL(10,2), data JSON NOT NULL)`,
    );
    await client.query(`CREATE TABLE ${db}.secret (id INT PRIMARY KEY)`);
    const dir = mkdtempSync(join(tmpdir(), "dbus-types-"));
    const config = join(dir, "dbus.yaml");
    const input = {
      ...{ name: "shop", plugin: "MysqlbinlogInput", host: mysql.host, port: mysql.port },
      ...{ user: "root", password: "", databases: [db] },
      tables: { include: ["*"], exclude: [`${db}.secret`] },
    };
    const outputs = [{ name: "out", plugin: "MockOutput", match: "shop" }];
    writeFileSync(config, JSON.stringify({ inputs: [input], outputs }));
    let out = "";
    const io = {
      out: (text: string) => {
        out += text;
      },
      err: (text: string) => {
        out += text;
      },
      env: {},
      terminal: false,
      signal: new AbortController().signal,
    };
    try {
      const file = join(dir, "tables.d.ts");
      expect([await runDbc(["types", config, "--out", file], io), out]).toEqual([
        0,
        `${file}: 1 tables\n`,
      ]);
      const text = readFileSync(file, "utf8");
      expect(text).toContain("  id: bigint;\n  total: string | null;\n  data: JsonText;\n");
      expect(text).toContain(`  | Row<"${db}.orders", `);
      expect(text).not.toContain("secret");
      out = "";
      expect(await runDbc(["types", config, "--json"], io)).toBe(0);
      expect(JSON.parse(out).tables).toEqual([`${db}.orders`]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
      await client.query(`DROP DATABASE ${db}`);
      await client.close();
    }
  },
);

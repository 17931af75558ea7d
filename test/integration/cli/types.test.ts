import { expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDbc } from "#src/cli/dbc.ts";
import { useServices } from "../../services/index.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { startText } from "../../support/sample-daemon.ts";
import { waitFor } from "../../support/wait-for.ts";

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
    try {
      const file = join(dir, "tables.d.ts");
      expect(await dbc(["types", config, "--out", file])).toEqual({
        code: 0,
        out: `${file}: 1 tables\n`,
      });
      const text = readFileSync(file, "utf8");
      expect(text).toContain("  id: bigint;\n  total: string | null;\n  data: JsonText;\n");
      expect(text).toContain(`  | Row<"${db}.orders", `);
      expect(text).not.toContain("secret");
      const { code, out } = await dbc(["types", config, "--json"]);
      expect(code).toBe(0);
      expect(JSON.parse(out).tables).toEqual([`${db}.orders`]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
      await client.query(`DROP DATABASE ${db}`);
      await client.close();
    }
  },
);

/** Names that mean something in TypeScript, in SQL or in a text that is made of them. */
const columnNames = [
  ...["__proto__", "constructor", "toString", "prototype", "class", "await", "null", "1e3", "a-b"],
  ...['say "hi"', "it's", "back`tick", "line\nbreak", "par\u2028para", "*/ export", "${x}", "a\\b"],
  ...["näme 名前", "☃", "x: any; y", "//", "tab\tbed", "ﬀ"],
];
/** Tables named as keywords, as each other, and as what the file itself means by a name. */
const tableNames = [
  ...["class", "interface", "Class", "type", "never", "array", "signal", "default", "__proto__"],
  ...["o'rders; --", 'x"y', "x y", "x-y", "x.y", "line\nbreak", "*/", "名前", "☃", "1"],
];
const quoted = (name: string) => `\`${name.replaceAll("`", "``")}\``;

services.test(
  "names of every kind give a file that compiles, and scripts that are held to it and run",
  async ({ mysql }) => {
    const { client, db } = await freshDatabase(mysql, "types");
    // With the tables of these names they would be Uint8Array, AbortSignal and Record; a.b.c is two.
    const others = ["uint8", "abort", "record", `${db}.a`, `${db} \`odd\`\n"x"`];
    const named: (readonly [db: string, table: string])[] = [
      ...tableNames.map((name) => [db, name] as const),
      ...[["uint8", "array"] as const, ["abort", "signal"] as const, ["record", "☃"] as const],
      ...[[db, "a.b"] as const, [`${db}.a`, "b"] as const, [others[4] ?? "", "t"] as const],
    ];
    const dir = mkdtempSync(join(tmpdir(), "dbus-types-"));
    try {
      for (const other of others) {
        await client.query(`DROP DATABASE IF EXISTS ${quoted(other)}`);
        await client.query(`CREATE DATABASE ${quoted(other)}`);
      }
      const columns = columnNames.map((name) => `${quoted(name)} BLOB`).join(", ");
      for (const [of, table] of named) {
        await client.query(
          `CREATE TABLE ${quoted(of)}.${quoted(table)} (id BIGINT PRIMARY KEY, ${columns})`,
        );
      }
      const config = join(dir, "dbus.yaml");
      const input = {
        ...{ name: "shop", plugin: "MysqlbinlogInput", host: mysql.host, port: mysql.port },
        ...{ user: "root", password: "", databases: [db, ...others] },
      };
      const outputs = [{ name: "out", plugin: "MockOutput", match: "shop" }];
      writeFileSync(config, JSON.stringify({ inputs: [input], outputs }));
      const file = join(dir, "tables.d.ts");
      const made = await dbc(["types", config, "--out", file]);
      expect(made).toEqual({ code: 0, out: `${file}: ${named.length} tables\n` });
      writeFileSync(join(dir, "use.ts"), scriptOver(named, columnNames));
      expect(compiled(dir)).toEqual(["", 0]);
      const filter = { name: "use", plugin: "ScriptFilter", match: "shop", file: "./use.ts" };
      const bus = await startText(
        JSON.stringify({
          inputs: [{ ...input, start: "latest" }],
          filters: [filter],
          outputs: [{ name: "out", plugin: "StreamOutput", match: "use" }],
        }),
        config,
      );
      await waitFor(() => bus.input("shop").lagSeconds !== null, { what: "the stream" });
      for (const [of, table] of named) {
        await client.query(`INSERT INTO ${quoted(of)}.${quoted(table)} (id) VALUES (1)`);
      }
      const written = () => bus.output("out").packets === named.length;
      await waitFor(written, { what: "a row of each table", timeoutMs: 30_000 });
      expect(bus.daemon.admin.stat().deadLetters).toBe(0);
      const lines = (await bus.lines("out")) as { db: string; tbl: string; rows: unknown }[];
      const own = columnNames.map((name) => Buffer.from(name).toString("base64"));
      expect(lines.map((line) => [line.db, line.tbl, line.rows])).toEqual(
        named.map(([of, table]) => [of, table, [[1, ...own]]]),
      );
      expect(await bus.end()).toBe(0);
    } finally {
      rmSync(dir, { recursive: true, force: true });
      for (const one of [db, ...others]) await client.query(`DROP DATABASE ${quoted(one)}`);
      await client.close();
    }
  },
  60_000,
);

async function dbc(args: readonly string[]) {
  let out = "";
  const say = (text: string) => {
    out += text;
  };
  const { signal } = new AbortController();
  const code = await runDbc([...args], { out: say, err: say, env: {}, terminal: false, signal });
  return { code, out };
}

/** A script that touches each column of each table, and what the compiler must refuse in it. */
function scriptOver(
  named: readonly (readonly [db: string, table: string])[],
  columns: readonly string[],
): string {
  const each = [...new Set(named.map(([db, table]) => JSON.stringify(`${db}.${table}`)))].map(
    (name) => {
      const reads = columns.map((column) => {
        const quotedName = JSON.stringify(column);
        return `    bytes = change.after[${quotedName}];
    change.after[${quotedName}] = new TextEncoder().encode(${quotedName});`;
      });
      return `  if (change.table === ${name} && change.after) {
    id = change.after.id;
${reads.join("\n")}
    // @ts-expect-error: there is no such column
    if (args.wrong) bytes = change.after.nosuch;
    // @ts-expect-error: a BLOB is no text
    if (args.wrong) change.after[${JSON.stringify(columns[0])}] = "text";
  }`;
    },
  );
  return `import type { Change, Context } from "./tables.d.ts";
export function filter(change: Change, context: Context): Change | null {
  let id: bigint = 0n;
  let bytes: globalThis.Uint8Array | null = null;
  const signal: globalThis.AbortSignal = context.signal;
  const args: { readonly [name: string]: string | number | boolean } = context.args;
${each.join("\n")}
  // @ts-expect-error: there is no such table
  if (change.table === "no.such") return null;
  return signal.aborted || args.none === 1 || id === 0n || bytes !== null ? null : change;
}
`;
}

function compiled(dir: string): [string, number] {
  const tsc = join(import.meta.dir, "../../../node_modules/.bin/tsc");
  const options = ["--noEmit", "--strict", "--allowImportingTsExtensions", "--target", "esnext"];
  const argv = [process.execPath, "--bun", tsc, ...options, "--ignoreConfig", "--types", ""];
  const { exitCode, stdout } = Bun.spawnSync([...argv, "use.ts"], { cwd: dir });
  return [stdout.toString(), exitCode];
}

import { writeFileSync } from "node:fs";
import { builtins } from "#plugins/index.ts";
import {
  type MysqlbinlogConfig,
  patternsOf,
  targetOf,
} from "#plugins/input/mysqlbinlog/mysqlbinlog-config.ts";
import { connectMysql } from "../../clients/mysql/connection.ts";
import { describeAll } from "../../clients/mysql/schema-query.ts";
import { tableFilter } from "../../clients/mysql/table-patterns.ts";
import { systemClock } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import { requireConfig } from "../../config/load.ts";
import { DbusError } from "../../errors.ts";
import { createRegistry } from "../../plugin/registry.ts";
import { exitCodes } from "../exit-code.ts";
import { type NamedTable, tableTypes } from "../table-types.ts";
import { show, textOption, usageError, type Verb } from "../verb.ts";

/** A file for more tables would help nobody. */
const tablesMax = 10_000;

export const typesVerb: Verb = {
  name: "types",
  summary: "writes TypeScript types of the MySQL tables that a configuration reads",
  usage: ["types CONFIG.yaml [--out FILE.d.ts]"],
  options: { out: { type: "string" } },
  help: `It asks the MySQL and MariaDB servers of the configuration for the tables that its inputs read, and
prints a declaration file for the functions of ScriptFilters: a type for each table, and Change for a
change of any of them.

      --out FILE    writes it there instead

`,
  async run(context) {
    const [file, ...rest] = context.args;
    if (file === undefined || rest.length > 0) {
      throw usageError("it wants a configuration", "types CONFIG.yaml [--out FILE.d.ts]");
    }
    const config = await requireConfig(file, {
      registry: createRegistry(builtins),
      env: context.env,
    });
    const tables = await tablesOf(config, context.signal);
    const text = tableTypes(tables);
    const out = textOption(context.values, "out");
    const names = tables.map(({ db, table }) => `${db}.${table}`);
    if (out === undefined) {
      show(context, { tables: names, text }, () => text);
    } else {
      write(out, text);
      show(context, { tables: names, file: out }, () => `${out}: ${names.length} tables\n`);
    }
    return exitCodes.clean;
  },
};

async function tablesOf(config: Config, signal: AbortSignal): Promise<readonly NamedTable[]> {
  const inputs = config.inputs.filter(({ plugin }) => plugin.name === "MysqlbinlogInput");
  if (inputs.length === 0) {
    throw new DbusError("NOT_FOUND", "the configuration has no MysqlbinlogInput", {
      remedy: "name a configuration that reads tables",
    });
  }
  const found = new Map<string, NamedTable>();
  for (const { name, config: own } of inputs) {
    const input = own as MysqlbinlogConfig;
    const connection = await connectMysql(targetOf(input), systemClock, signal);
    try {
      const { databases, tables } = patternsOf(input);
      const many = await describeAll(connection, tableFilter(databases, tables), tablesMax);
      if (!many) {
        throw new DbusError("USAGE", `${name} reads more than ${tablesMax} tables`, {
          remedy: "name fewer in databases and tables",
        });
      }
      // Apart, since both names may have dots.
      for (const one of many.tables) found.set(JSON.stringify([one.db, one.table]), one);
    } finally {
      connection.close();
    }
  }
  return [...found.keys()].sort().map((name) => found.get(name) as NamedTable);
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DbusError("USAGE", `${path} cannot be written: ${why}`, { cause: error });
  }
}

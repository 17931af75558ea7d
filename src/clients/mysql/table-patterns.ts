import { identMatches } from "../../flow/match.ts";
import type { TableFilter } from "./binlog/table-filter.ts";

/** Patterns with `*` for any run of characters; a name must match an include and no exclude. */
export type Patterns = { readonly include: readonly string[]; readonly exclude: readonly string[] };

export const everything: Patterns = { include: ["*"], exclude: [] };

const systemDatabases = new Set(["mysql", "sys", "information_schema", "performance_schema"]);

/**
 * `databases` are matched against the database, `tables` against `database.table`. The servers'
 * own databases are left out unless an include names them without a `*`.
 */
export function tableFilter(databases: Patterns, tables: Patterns): TableFilter {
  const db = compile(databases);
  const table = compile(tables);
  const named = new Set([
    ...databases.include,
    ...tables.include.map((pattern) => pattern.split(".", 1)[0]),
  ]);
  return (dbName, tableName) => {
    if (systemDatabases.has(dbName) && !named.has(dbName)) return false;
    return db(dbName) && table(`${dbName}.${tableName}`);
  };
}

function compile(patterns: Patterns): (name: string) => boolean {
  const { include, exclude } = patterns;
  // Not by regular expressions: a pattern of many * would take them for ever (S14).
  const among = (some: readonly string[], name: string) =>
    some.some((pattern) => identMatches(pattern, name));
  return (name) => among(include, name) && !among(exclude, name);
}

import { DbusError } from "../../errors.ts";
import { hiddenRemedy } from "./binlog/mariadb-types.ts";

/** `named`: the binlog has the table's names, and its types but for those that MariaDB hides. */
export function notVisible(db: string, table: string, named = false): DbusError {
  const message = `${db}.${table} was dropped since its rows were logged, or the account may not see it`;
  const grant = `GRANT SELECT ON ${quoted(db)}.${quoted(table)} to the account, or`;
  const remedy = `${grant} ${named ? hiddenRemedy : names}`;
  return new DbusError("SCHEMA_UNKNOWN", message, { remedy, place: { path: `${db}.${table}` } });
}

const names = "SET GLOBAL binlog_row_metadata = FULL for what is written from now on";

export function altered(
  db: string,
  table: string,
  at: number | null,
  logged: number,
  named = false,
): DbusError {
  const when = (seconds: number) => new Date(seconds * 1000).toISOString();
  const message = `${db}.${table} was altered at ${when(at ?? 0)}, after rows of ${when(logged)}`;
  const unnamed = `${names}; if its columns are the same as before, schema: current reads the rest`;
  const remedy = `${named ? hiddenRemedy : unnamed}; without a checkpoint start: latest passes over it`;
  return new DbusError("SCHEMA_UNKNOWN", message, { remedy, place: { path: `${db}.${table}` } });
}

function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

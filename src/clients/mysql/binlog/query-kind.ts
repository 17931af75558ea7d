/** What a QUERY event means for whoever follows transactions. */
export type QueryKind =
  | "begin"
  | "commit"
  | "rollback"
  | "rollback_to"
  | "savepoint"
  | "xa"
  /** A change of rows that was logged as a statement: its rows are not in the binlog. */
  | "dml"
  /** A change of the schema, and everything else. */
  | "other";

/** Spaces and comments before the first word; of `/*!50001 word` only the mark is taken away. */
const leading = /^(?:\s+|\/\*M?!\d*|\/\*(?!M?!)[\s\S]*?\*\/|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|;)+/;
const dml = /^(?:insert|update|delete|replace|load)\b/i;
/** The server's own way to empty a MEMORY table after its restart. A whole table, as TRUNCATE. */
const emptied =
  /^delete\s+from\s+(?:`(?:[^`]|``)*`\.)?`(?:[^`]|``)*`\s*(?:\/\*[\s\S]*?\*\/\s*)?;?$/i;

export function queryKind(sql: string): QueryKind {
  if (sql === "BEGIN") return "begin";
  if (sql === "COMMIT") return "commit";
  // The kind shows at the head, and a statement may have megabytes.
  const text = sql.slice(0, 4096).replace(leading, "");
  const words = text
    .slice(0, 200)
    .toLowerCase()
    .split(/[\s;(]+/, 4);
  switch (words[0]) {
    case "begin":
      return "begin";
    case "start":
      return words[1] === "transaction" ? "begin" : "other";
    case "commit":
      return "commit";
    case "rollback":
      return words[1] === "to" || words[2] === "to" ? "rollback_to" : "rollback";
    case "savepoint":
    case "release":
      return "savepoint";
    case "xa":
      // A prepared transaction that was rolled back has left nothing behind.
      return words[1] === "rollback" ? "other" : "xa";
    case "set":
      // MariaDB's SET STATEMENT variable = value FOR statement.
      return words[1] === "statement" &&
        /\bfor\s+(?:insert|update|delete|replace|load)\b/i.test(text)
        ? "dml"
        : "other";
    default:
      return dml.test(text) && !emptied.test(text) ? "dml" : "other";
  }
}

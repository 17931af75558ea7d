import { DbusError, type Table } from "#plugin";
import { parseTemplate } from "#src/format/template.ts";
import { compileTemplate, type Source } from "./templates.ts";

/**
 * Gives each source its index. Throws `ES_INDEX_INVALID`, `ES_INDEX_COLLISION`, and what a template
 * throws.
 */
export type IndexNames = (source: Source) => string;

type Named = { readonly table: Table | undefined; readonly ident: string; readonly name: string };

const bytesMax = 255;
const namesMax = 100_000;

/** Small letters, and _ for what no index may have in its name. */
function safeIndexName(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
  return text.toLowerCase().replace(/[\\/*?"<>|\s,#:\u0000-\u001f\u007f]/g, "_");
}

/**
 * `ownIds` says that the ids of documents come from a template: then several tables may share an
 * index on purpose. Otherwise row 1 of one table would be row 1 of another (S10).
 */
export function createIndexNames(text: string, ownIds: boolean): IndexNames {
  const template = parseTemplate(text);
  const ofRows = compileTemplate(template);
  const rowsOnly = template.variables.some((name) => name !== "ident");
  const rowFields = template.variables.some((name) => name.startsWith("row."));
  const ofOthers = rowsOnly && !rowFields ? compileTemplate(parseTemplate("${ident}")) : ofRows;
  /** What each name was made of, to find two sources that end up under one. */
  const made = new Map<string, string>();

  function claim(name: string, source: Source): void {
    const { table, ident } = source;
    const parts = template.variables
      .filter((variable) => !variable.startsWith("row."))
      .map((variable) => ({ db: table?.db, tbl: table?.name, ident })[variable] ?? "");
    const whose = ownIds || table === undefined ? parts : [table.db, table.name];
    const owner = JSON.stringify(whose);
    const other = made.get(name);
    if (other === owner) return;
    if (other !== undefined) {
      throw new DbusError("ES_INDEX_COLLISION", `${other} and ${owner} both lead to index ${name}`);
    }
    if (made.size >= namesMax) made.clear();
    made.set(name, owner);
  }

  function nameOf(source: Source): string {
    const filled = (source.table === undefined ? ofOthers : ofRows)(source);
    if (filled === undefined) {
      throw new DbusError("FORMAT_TEMPLATE", "a column that the index template names is null");
    }
    const name = safeIndexName(filled);
    const isOdd = name === "" || name === "." || name === ".." || /^[-_+]/.test(name);
    // Half a character would be in no address.
    if (isOdd || !name.isWellFormed() || Buffer.byteLength(name) > bytesMax) {
      throw new DbusError("ES_INDEX_INVALID", `no index can be called ${JSON.stringify(name)}`);
    }
    claim(name, source);
    return name;
  }

  if (rowFields) return nameOf;
  // Rows come in runs of one table, so the last name is nearly always the right one.
  let last: Named | undefined;
  return (source) => {
    const { table, ident } = source;
    if (last?.table === table && last?.ident === ident) return last.name;
    last = { table, ident, name: nameOf(source) };
    return last.name;
  };
}

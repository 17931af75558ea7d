import type { Flavor } from "../flavor.ts";
import { readColumn } from "./column.ts";
import { constraint, option } from "./create-table.ts";
import type { Reader } from "./reader.ts";
import { createDraft, type Draft, type Place, type TableModel } from "./table-model.ts";
import { NotUnderstood } from "./tokens.ts";

/** A table name as a statement writes it. */
export type TableName = { readonly db: string | undefined; readonly table: string };

export type Altered = { readonly table: TableModel; readonly renamedTo: TableName | undefined };

type Work = {
  readonly reader: Reader;
  readonly draft: Draft;
  readonly flavor: Flavor;
  renamedTo: TableName | undefined;
};

/** Applies the clauses of ALTER TABLE, from behind the table's name to the end. */
export function readAlter(reader: Reader, table: TableModel, flavor: Flavor): Altered {
  const work: Work = { reader, draft: createDraft(table), flavor, renamedTo: undefined };
  while (!reader.done) {
    clause(work);
    if (!reader.done && !reader.takeMark(",") && !reader.takeMark(";")) partitions(reader);
  }
  return { table: work.draft.done(), renamedTo: work.renamedTo };
}

/** Only PARTITION BY may follow without a comma. */
function partitions(reader: Reader): void {
  const token = reader.peek();
  if (token?.kind === "word" && /^partition$/i.test(token.text)) return;
  // Options may stand in a row without commas.
  if (token?.kind === "word") return;
  throw new NotUnderstood(`${token?.text} behind a clause`);
}

function clause(work: Work): void {
  const { reader } = work;
  if (reader.take("ADD")) add(work);
  else if (reader.take("DROP")) drop(work);
  else if (reader.take("MODIFY")) change(work, false);
  else if (reader.take("CHANGE")) change(work, true);
  else if (reader.take("RENAME")) rename(work);
  else if (reader.take("ALTER")) reader.skipItem();
  else if (!passedOver(reader)) option(reader, work.draft);
}

/** What touches neither columns nor the primary key. */
function passedOver(reader: Reader): boolean {
  if (reader.take("ALGORITHM") || reader.take("LOCK")) {
    reader.takeMark("=");
    reader.next();
    return true;
  }
  if (reader.take("ORDER", "BY")) {
    while (!reader.done) reader.next();
    return true;
  }
  return (
    reader.take("FORCE") ||
    reader.take("ENABLE", "KEYS") ||
    reader.take("DISABLE", "KEYS") ||
    reader.take("WITH", "VALIDATION") ||
    reader.take("WITHOUT", "VALIDATION")
  );
}

function add({ reader, draft, flavor }: Work): void {
  if (isWord(reader, /^(period|system|partition)$/i)) throw new NotUnderstood("ADD of no column");
  if (constraint(reader, draft)) return;
  reader.take("COLUMN");
  const unlessThere = reader.take("IF", "NOT", "EXISTS");
  if (reader.takeMark("(")) {
    do {
      if (!constraint(reader, draft)) addColumn(reader, draft, flavor, unlessThere);
    } while (reader.takeMark(","));
    reader.expectMark(")");
    return;
  }
  addColumn(reader, draft, flavor, unlessThere);
}

function addColumn(reader: Reader, draft: Draft, flavor: Flavor, unlessThere: boolean): void {
  const definition = readColumn(reader, reader.name(), flavor);
  const place = readPlace(reader) ?? "last";
  if (unlessThere && draft.has(definition.name)) return;
  draft.add(definition, place);
}

function drop({ reader, draft }: Work): void {
  if (reader.take("PRIMARY", "KEY")) {
    draft.setPrimaryKey([]);
    return;
  }
  if (isWord(reader, /^(index|key|constraint|foreign|check)$/i)) {
    reader.next();
    if (/^primary$/i.test(reader.peek()?.text ?? "")) throw new NotUnderstood("a drop of PRIMARY");
    reader.skipItem();
    return;
  }
  if (isWord(reader, /^(period|system|partition)$/i)) throw new NotUnderstood("DROP of no column");
  reader.take("COLUMN");
  const ifThere = reader.take("IF", "EXISTS");
  const name = reader.name();
  if (!reader.take("RESTRICT")) reader.take("CASCADE");
  if (ifThere && !draft.has(name)) return;
  draft.drop(name);
}

function change({ reader, draft, flavor }: Work, renames: boolean): void {
  reader.take("COLUMN");
  const ifThere = reader.take("IF", "EXISTS");
  const old = reader.name();
  const definition = readColumn(reader, renames ? reader.name() : old, flavor);
  const place = readPlace(reader);
  if (ifThere && !draft.has(old)) return;
  draft.change(old, definition, place);
}

function rename(work: Work): void {
  const { reader, draft } = work;
  if (reader.take("COLUMN")) {
    const ifThere = reader.take("IF", "EXISTS");
    const old = reader.name();
    if (!reader.take("TO")) throw new NotUnderstood("RENAME COLUMN to nothing");
    const name = reader.name();
    if (!ifThere || draft.has(old)) draft.rename(old, name);
    return;
  }
  if (reader.take("INDEX") || reader.take("KEY")) {
    reader.skipItem();
    return;
  }
  if (!reader.take("TO") && !reader.take("AS")) reader.takeMark("=");
  work.renamedTo = readTableName(reader);
}

function readPlace(reader: Reader): Place | undefined {
  if (reader.take("FIRST")) return "first";
  return reader.take("AFTER") ? { after: reader.name() } : undefined;
}

export function readTableName(reader: Reader): TableName {
  const first = reader.name();
  return reader.takeMark(".")
    ? { db: first, table: reader.name() }
    : { db: undefined, table: first };
}

function isWord(reader: Reader, words: RegExp): boolean {
  const token = reader.peek();
  return token?.kind === "word" && words.test(token.text);
}

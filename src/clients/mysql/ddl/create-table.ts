import type { Flavor } from "../flavor.ts";
import { charsetName, charsetOfCollation, readColumn } from "./column.ts";
import type { Reader } from "./reader.ts";
import { createDraft, type Draft, type TableModel } from "./table-model.ts";
import { NotUnderstood } from "./tokens.ts";

/** Reads the body of CREATE TABLE, from its parenthesis to the end of the statement. */
export function readCreate(reader: Reader, flavor: Flavor): TableModel {
  const draft = createDraft({ columns: [], primaryKey: [], charset: undefined });
  reader.expectMark("(");
  do item(reader, draft, flavor);
  while (reader.takeMark(","));
  reader.expectMark(")");
  while (!reader.done) option(reader, draft);
  return draft.done();
}

function item(reader: Reader, draft: Draft, flavor: Flavor): void {
  if (constraint(reader, draft)) return;
  if (reader.peek()?.text.toUpperCase() === "PERIOD" && reader.peek()?.kind === "word") {
    throw new NotUnderstood("a period");
  }
  draft.add(readColumn(reader, reader.name(), flavor), "last");
}

/** A key or constraint; of these only the primary key matters. */
export function constraint(reader: Reader, draft: Draft): boolean {
  const named = reader.take("CONSTRAINT");
  if (named && !startsConstraint(reader)) reader.name();
  if (reader.take("PRIMARY", "KEY")) {
    while (reader.peek()?.text !== "(") reader.next();
    draft.setPrimaryKey(keyColumns(reader));
    reader.skipItem();
    return true;
  }
  if (!startsConstraint(reader)) {
    if (named) throw new NotUnderstood("an odd constraint");
    return false;
  }
  reader.skipItem();
  return true;
}

/** CHECK and the like can be names of columns only in quotes. */
function startsConstraint(reader: Reader): boolean {
  const token = reader.peek();
  const words = /^(primary|key|index|unique|fulltext|spatial|foreign|check)$/i;
  return token?.kind === "word" && words.test(token.text);
}

/** `(a, b(10), c DESC)`; a key over an expression is none of columns. */
export function keyColumns(reader: Reader): string[] {
  reader.expectMark("(");
  const names: string[] = [];
  do {
    names.push(reader.name());
    reader.skipItem();
  } while (reader.takeMark(","));
  reader.expectMark(")");
  return names;
}

const ignored = new Set(
  `ENGINE AUTO_INCREMENT AVG_ROW_LENGTH CHECKSUM COMMENT COMPRESSION CONNECTION DELAY_KEY_WRITE
   ENCRYPTION INSERT_METHOD KEY_BLOCK_SIZE MAX_ROWS MIN_ROWS PACK_KEYS PAGE_CHECKSUM ROW_FORMAT
   STATS_AUTO_RECALC STATS_PERSISTENT STATS_SAMPLE_PAGES TABLESPACE TRANSACTIONAL PAGE_COMPRESSED
   PAGE_COMPRESSION_LEVEL ENCRYPTED ENCRYPTION_KEY_ID AUTOEXTEND_SIZE ENGINE_ATTRIBUTE
   SECONDARY_ENGINE_ATTRIBUTE`.split(/\s+/),
);

/** `name [=] value` behind the columns. Throws NotUnderstood for rows of a SELECT among others. */
export function option(reader: Reader, draft: Draft): void {
  reader.takeMark(",");
  // MySQL logs CREATE TABLE ... SELECT as the table, with its rows behind it.
  if (reader.take("START", "TRANSACTION")) return;
  if (reader.take("PARTITION", "BY")) {
    while (!reader.done) reader.next();
    return;
  }
  if (tableCharset(reader, draft)) return;
  const word = reader.next();
  if (word.kind === "mark" && word.text === ";") return;
  if (word.kind !== "word" || !ignored.has(word.text.toUpperCase())) {
    throw new NotUnderstood(`the option ${word.text}`);
  }
  reader.takeMark("=");
  reader.next();
}

/** The character set of columns that are added without one; those that are there keep theirs. */
export function tableCharset(reader: Reader, draft: Draft): boolean {
  const byDefault = reader.take("DEFAULT");
  if (reader.take("CHARACTER", "SET") || reader.take("CHARSET")) {
    reader.takeMark("=");
    draft.setCharset(charsetName(reader.name()));
    return true;
  }
  if (reader.take("COLLATE")) {
    reader.takeMark("=");
    draft.setCharset(charsetOfCollation(reader.name()));
    return true;
  }
  if (byDefault) throw new NotUnderstood("an odd default");
  return false;
}

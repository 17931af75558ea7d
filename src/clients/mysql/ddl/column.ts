import type { Flavor } from "../flavor.ts";
import { readType } from "./column-type.ts";
import type { Reader } from "./reader.ts";
import { NotUnderstood } from "./tokens.ts";

/** A column as a statement defines it; undefined is what the statement leaves to the server. */
export type ColumnDefinition = {
  readonly name: string;
  readonly type: string;
  /** null has no character set, undefined has that of its table. */
  readonly charset: string | null | undefined;
  /** undefined: it depends on `explicit_defaults_for_timestamp`. */
  readonly nullable: boolean | undefined;
  readonly primaryKey: boolean;
};

type Attributes = {
  charset: string | undefined;
  nullable: boolean | undefined;
  primaryKey: boolean;
};

/** Reads a column from its name on, up to a comma, a closing parenthesis, FIRST or AFTER. */
export function readColumn(reader: Reader, name: string, flavor: Flavor): ColumnDefinition {
  const type = readType(reader, flavor);
  const found: Attributes = { charset: undefined, nullable: undefined, primaryKey: false };
  while (!atEnd(reader)) attribute(reader, found);
  const notNull = found.primaryKey || type.notNull === true;
  const byDefault = type.spelled.startsWith("timestamp") ? undefined : true;
  if (type.text && found.charset === "binary") throw new NotUnderstood("text of binary");
  return {
    name,
    type: type.spelled,
    charset: type.text ? (type.charset ?? found.charset) : null,
    nullable: notNull ? false : (found.nullable ?? byDefault),
    primaryKey: found.primaryKey,
  };
}

function atEnd(reader: Reader): boolean {
  const token = reader.peek();
  if (token === undefined) return true;
  if (token.kind === "mark") return token.text === "," || token.text === ")";
  return token.kind === "word" && /^(first|after)$/i.test(token.text);
}

function attribute(reader: Reader, found: Attributes): void {
  if (reader.take("NOT", "NULL")) found.nullable = false;
  else if (reader.take("NULL")) found.nullable = true;
  else if (reader.take("PRIMARY", "KEY") || reader.take("PRIMARY")) found.primaryKey = true;
  else if (reader.take("UNIQUE")) reader.take("KEY");
  // KEY alone in a column's definition stands for PRIMARY KEY.
  else if (reader.take("KEY")) found.primaryKey = true;
  else if (reader.take("CHARACTER", "SET") || reader.take("CHARSET")) {
    found.charset = charsetName(reader.name());
  } else if (reader.take("COLLATE")) found.charset ??= charsetOfCollation(reader.name());
  else if (!harmless(reader)) {
    throw new NotUnderstood(`${reader.peek()?.text} in the definition of a column`);
  }
}

/** What changes neither names nor types. */
function harmless(reader: Reader): boolean {
  if (reader.take("DEFAULT") || reader.take("ON", "UPDATE")) {
    value(reader);
    return true;
  }
  if (reader.take("COMMENT") || reader.take("SRID")) {
    reader.next();
    return true;
  }
  if (reader.take("GENERATED", "ALWAYS", "AS") || reader.take("AS") || reader.take("CHECK")) {
    reader.skipGroup();
    reader.take("NOT", "ENFORCED");
    return true;
  }
  if (reader.take("CONSTRAINT")) {
    if (!reader.take("CHECK")) reader.name();
    else reader.skipGroup();
    return true;
  }
  const words = ["AUTO_INCREMENT", "VIRTUAL", "STORED", "PERSISTENT", "VISIBLE", "INVISIBLE"];
  return words.some((word) => reader.take(word)) || reader.take("ENFORCED");
}

/** One literal, with its sign or introducer; an expression; a function, with its arguments. */
function value(reader: Reader): void {
  if (reader.peek()?.text === "(") {
    reader.skipGroup();
    return;
  }
  if (!reader.takeMark("-")) reader.takeMark("+");
  const token = reader.next();
  if (token.kind === "mark") throw new NotUnderstood("an odd default");
  const literal = reader.peek()?.kind;
  const introduces = /^(_\w+|b|x|n|date|time|timestamp)$/i.test(token.text);
  if (token.kind === "word" && introduces && (literal === "text" || literal === "quoted")) {
    reader.next();
  }
  if (token.kind === "word" && reader.peek()?.text === "(") reader.skipGroup();
}

export function charsetName(name: string): string {
  const lower = name.toLowerCase();
  if (lower === "default") throw new NotUnderstood("a default character set");
  return lower === "utf8" ? "utf8mb3" : lower;
}

/** A collation's name begins with that of its character set. */
export function charsetOfCollation(collation: string): string {
  const [head = ""] = collation.toLowerCase().split("_");
  if (head.startsWith("uca")) throw new NotUnderstood("a collation of any character set");
  return charsetName(head);
}

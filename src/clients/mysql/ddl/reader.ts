import { NotUnderstood, type Token } from "./tokens.ts";

/** Walks over tokens. Words compare without case. */
export type Reader = {
  readonly done: boolean;
  /** The token so far ahead, without taking it. */
  peek(ahead?: number): Token | undefined;
  next(): Token;
  /** Takes these words if they come next, all of them. */
  take(...words: readonly string[]): boolean;
  /** The same for a mark: `(`, `)`, `,`, `.`, `=`. */
  takeMark(mark: string): boolean;
  expectMark(mark: string): void;
  /** A name of a column, table or the like. */
  name(): string;
  /** A whole group in parentheses, which comes next. */
  skipGroup(): void;
  /** Everything up to a comma or closing parenthesis of this level, or the end. */
  skipItem(): void;
};

export function createReader(tokens: readonly Token[]): Reader {
  let at = 0;

  const isMark = (token: Token | undefined, mark: string) =>
    token?.kind === "mark" && token.text === mark;
  const isWord = (token: Token | undefined, word: string) =>
    token?.kind === "word" && token.text.toUpperCase() === word;

  function next(): Token {
    const token = tokens[at++];
    if (token === undefined) throw new NotUnderstood("the statement ends early");
    return token;
  }

  function takeMark(mark: string): boolean {
    if (!isMark(tokens[at], mark)) return false;
    at++;
    return true;
  }

  function expectMark(mark: string) {
    if (!takeMark(mark)) throw new NotUnderstood(`no ${mark} where one is due`);
  }

  function skipGroup() {
    expectMark("(");
    for (let depth = 1; depth > 0; ) {
      const token = next();
      if (isMark(token, "(")) depth++;
      else if (isMark(token, ")")) depth--;
    }
  }

  return {
    get done() {
      return at >= tokens.length;
    },
    peek: (ahead = 0) => tokens[at + ahead],
    next,
    take(...words) {
      if (!words.every((word, n) => isWord(tokens[at + n], word))) return false;
      at += words.length;
      return true;
    },
    takeMark,
    expectMark,
    name() {
      const token = next();
      if (token.kind === "word" || token.kind === "name" || token.kind === "quoted") {
        return token.text;
      }
      throw new NotUnderstood(`${token.text} is no name`);
    },
    skipGroup,
    skipItem() {
      while (at < tokens.length && !isMark(tokens[at], ",") && !isMark(tokens[at], ")")) {
        if (isMark(tokens[at], "(")) skipGroup();
        else at++;
      }
    },
  };
}

import { Lexer } from "yaml";

/** What the lexer puts in between; the first two are where the nesting starts over. */
const documentStart = "\x02";
const flowError = "\x18";
const scalarNext = "\x1f";

/**
 * The offset at which brackets and braces, or the `-` and `?` of one line, stand more than
 * `depthMax` deep; undefined where they do not. The parser takes time that grows with the square of
 * the depth, and memory too: so this is looked at before it, in one pass. What is nested by
 * indentation alone grows by itself with the square of its depth, and the size of a file is bounded.
 */
export function tooDeepAt(text: string, depthMax: number): number | undefined {
  let depth = 0;
  let inLine = 0;
  let at = 0;
  let isScalar = false;
  for (const token of new Lexer().lex(text)) {
    if (token === documentStart || token === flowError) depth = 0;
    else if (token !== scalarNext) {
      if (!isScalar && (token === "[" || token === "{") && ++depth > depthMax) return at;
      if (!isScalar && (token === "]" || token === "}")) depth--;
      if (token.includes("\n")) inLine = 0;
      else if (!isScalar && (token === "-" || token === "?") && ++inLine > depthMax) return at;
      at += token.length;
    }
    isScalar = token === scalarNext;
  }
  return undefined;
}

import { Lexer } from "yaml";

/** What the lexer puts in between; the first two are where the nesting starts over. */
const documentStart = "\x02";
const flowError = "\x18";
const scalarNext = "\x1f";

/**
 * The offset at which brackets and braces stand more than `depthMax` deep; undefined where they do
 * not. The parser takes time that grows with the square of the depth, and memory too: so this is
 * looked at before it, in one pass.
 */
export function tooDeepAt(text: string, depthMax: number): number | undefined {
  let depth = 0;
  let at = 0;
  let isScalar = false;
  for (const token of new Lexer().lex(text)) {
    if (token === documentStart || token === flowError) depth = 0;
    else if (token !== scalarNext) {
      if (!isScalar && (token === "[" || token === "{") && ++depth > depthMax) return at;
      if (!isScalar && (token === "]" || token === "}")) depth--;
      at += token.length;
    }
    isScalar = token === scalarNext;
  }
  return undefined;
}

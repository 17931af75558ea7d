/** Where a text stops being JSON, and why. `offset` is in UTF-16 units from the start. */
export type JsonFault = { readonly offset: number; readonly message: string };

/** `from` to `to` is a value of the text, without the space around it. */
export type JsonSpan = { readonly from: number; readonly to: number };

/** How deep objects and lists may stand within one another. */
export const DEPTH_MAX = 32;

const space = /[ \t\n\r]*/y;
const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const word = /true|false|null/y;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

/**
 * Checks that `text` from `from` on is one JSON value and nothing else (RFC 8259), without building
 * it, so that no digit is lost and no key means anything. With `elements` given, the elements of a
 * list at the top are told one by one. Answers the span of the value, or the fault.
 */
export function scanJson(text: string, from = 0, elements?: JsonSpan[]): JsonSpan | JsonFault {
  /** Open brackets: true is a list. */
  const open: boolean[] = [];
  let at = skip(from);
  const start = at;
  let elementStart = at;

  function skip(here: number): number {
    return match(space, here) ?? here;
  }

  function match(pattern: RegExp, here: number): number | undefined {
    pattern.lastIndex = here;
    return pattern.test(text) ? pattern.lastIndex : undefined;
  }

  /**
   * The end of the string that begins here; undefined when it is none, with `at` at the place of
   * the fault. No regular expression, since a long string would exhaust its stack.
   */
  function stringEnd(): number | undefined {
    if (text[at] !== '"') return undefined;
    for (let here = at + 1; here < text.length; ) {
      const code = text.charCodeAt(here);
      if (code === QUOTE) return here + 1;
      const next = code === BACKSLASH ? match(escaped, here) : code < SPACE ? undefined : here + 1;
      if (next === undefined) {
        at = here;
        return undefined;
      }
      here = next;
    }
    at = text.length;
    return undefined;
  }

  function fault(what: string): JsonFault {
    const found = at >= text.length ? "the text ends" : "something else stands here";
    return { offset: at, message: `${what} was expected, ${found}` };
  }

  /** Reads `"key" :` and stands before its value then. */
  function key(): JsonFault | undefined {
    const end = stringEnd();
    if (end === undefined) return fault("a key in quotes");
    at = skip(end);
    if (text[at] !== ":") return fault("a colon");
    at = skip(at + 1);
    return undefined;
  }

  for (;;) {
    // A value begins here.
    const char = text[at];
    if (char === "[" || char === "{") {
      if (open.length === DEPTH_MAX) {
        return { offset: at, message: `it is more than ${DEPTH_MAX} levels deep` };
      }
      const list = char === "[";
      at = skip(at + 1);
      open.push(list);
      elementStart = open.length === 1 ? at : elementStart;
      if (text[at] !== (list ? "]" : "}")) {
        const wrong = list ? undefined : key();
        if (wrong) return wrong;
        continue;
      }
    } else {
      const end = char === '"' ? stringEnd() : match(/[-\d]/.test(char ?? "") ? number : word, at);
      if (end === undefined) return fault(char === '"' ? "the rest of a string" : "a value");
      at = end;
    }
    // A value, or the inside of an empty list or object, ends here.
    for (;;) {
      const list = open.at(-1);
      const end = at;
      at = skip(at);
      if (list === undefined) {
        return at === text.length ? { from: start, to: end } : fault("the end");
      }
      const top = open.length === 1 && list;
      if (text[at] === ",") {
        if (top) elements?.push({ from: elementStart, to: end });
        at = skip(at + 1);
        if (top) elementStart = at;
        const wrong = list ? undefined : key();
        if (wrong) return wrong;
        break;
      }
      if (text[at] !== (list ? "]" : "}")) return fault(list ? "a comma or ]" : "a comma or }");
      if (top && end > elementStart) elements?.push({ from: elementStart, to: end });
      open.pop();
      at++;
    }
  }
}

/** Line and column of an offset, both from 1. */
export function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

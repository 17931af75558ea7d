import { RE2JS } from "re2js";
import { DbusError } from "../errors.ts";

/**
 * A regular expression of RE2's syntax. It takes time that grows with the text and the pattern
 * alone, whatever both are (S14): there are no back references and no look-around.
 */
export type LinearRegex = {
  /** The names of its named groups, in order. */
  readonly names: readonly string[];
  /** How many groups it has, the whole match not counted. */
  readonly groups: number;
  test(text: string): boolean;
  /** The groups of the first match, 0 is the whole of it; null where a group took no part. */
  match(text: string): readonly (string | null)[] | null;
  /** The number of a named group. */
  groupOf(name: string): number;
  /** Every match replaced; `$1` and `${name}` stand for groups, `$$` for a dollar. */
  replace(text: string, replacement: string): string;
};

/** Throws `CONFIG_INVALID` for what is no pattern. */
export function linearRegex(pattern: string): LinearRegex {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DbusError("CONFIG_INVALID", `not a regular expression: ${why}`, {
      remedy: "the syntax is RE2's: no look-around and no back references",
    });
  }
  const byName = new Map(Object.entries(compiled.namedGroups()));
  const names = [...byName.keys()].sort((a, b) => (byName.get(a) ?? 0) - (byName.get(b) ?? 0));
  const groups = compiled.groupCount();
  function match(text: string) {
    const found = compiled.matcher(text);
    if (!found.find()) return null;
    return Array.from({ length: groups + 1 }, (_, i) => found.group(i) ?? null);
  }
  function replace(text: string, replacement: string): string {
    const found = compiled.matcher(text);
    let out = "";
    let at = 0;
    while (found.find()) {
      const parts = Array.from({ length: groups + 1 }, (_, i) => found.group(i) ?? "");
      out += text.slice(at, found.start()) + filled(replacement, parts, byName);
      at = found.end();
    }
    return out + text.slice(at);
  }
  return {
    names,
    groups,
    test: (text) => compiled.test(text),
    match,
    groupOf: (name) => byName.get(name) ?? -1,
    replace,
  };
}

function filled(
  replacement: string,
  parts: readonly string[],
  byName: ReadonlyMap<string, number>,
): string {
  return replacement.replace(/\$(?:\$|(\d{1,2})|\{([^}]*)\})/g, (whole, digits, name) => {
    if (whole === "$$") return "$";
    const group = digits === undefined ? byName.get(name) : Number(digits);
    return group === undefined ? "" : (parts[group] ?? "");
  });
}

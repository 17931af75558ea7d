import { type ExactJson, type ExactObject, exactObject, isExactObject } from "./exact-json.ts";

/**
 * Names of fields of a JSON object: `a.b` is the field b of the object at a, unless there is a
 * field that is called `a.b` itself.
 */
export function fieldAt(object: ExactObject, name: string): ExactJson | undefined {
  if (Object.hasOwn(object, name)) return object[name];
  const [head, rest] = headOf(name);
  if (rest === undefined) return undefined;
  const below = Object.hasOwn(object, head) ? object[head] : undefined;
  return isExactObject(below) ? fieldAt(below, rest) : undefined;
}

/** The object with another value there, in the same place; undefined takes the field out. */
export function withField(
  object: ExactObject,
  name: string,
  value: ExactJson | undefined,
): ExactObject {
  const [head, rest] = Object.hasOwn(object, name) ? [name, undefined] : headOf(name);
  if (rest === undefined) {
    if (value === undefined) {
      return exactObject(Object.entries(object).filter(([key]) => key !== head));
    }
    if (!Object.hasOwn(object, head))
      return exactObject([...Object.entries(object), [head, value]]);
    return exactObject(
      Object.entries(object).map(([key, old]) => [key, key === head ? value : old]),
    );
  }
  const known = Object.hasOwn(object, head) ? object[head] : undefined;
  const below = isExactObject(known) ? known : exactObject([]);
  return withField(object, head, withField(below, rest, value));
}

/**
 * The object with fields under other names in the same objects and places, all at once: a and b may
 * change their names. Calls `taken` with a name that two fields would have.
 */
export function renamed(
  object: ExactObject,
  names: ReadonlyMap<string, string>,
  taken: (name: string) => never,
): ExactObject {
  const below = new Map<string, Map<string, string>>();
  for (const [name, to] of names) {
    const [head, rest] = headOf(name);
    if (rest === undefined || Object.hasOwn(object, name)) continue;
    below.set(head, (below.get(head) ?? new Map<string, string>()).set(rest, to));
  }
  const seen = new Set<string>();
  const entries = Object.entries(object).map(([name, value]) => {
    const to = names.get(name) ?? name;
    if (seen.has(to)) taken(to);
    seen.add(to);
    const inner = below.get(name);
    return [to, inner && isExactObject(value) ? renamed(value, inner, taken) : value] as const;
  });
  return exactObject(entries);
}

function headOf(name: string): readonly [string, string | undefined] {
  const dot = name.indexOf(".");
  return dot < 0 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)];
}

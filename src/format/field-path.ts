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

/** The object with a field under another name in the same object, in the same place. */
export function renamed(object: ExactObject, name: string, to: string): ExactObject {
  const [head, rest] = Object.hasOwn(object, name) ? [name, undefined] : headOf(name);
  const entries = Object.entries(object);
  if (rest === undefined) {
    const others = entries.filter(([key]) => key !== to || key === head);
    return exactObject(others.map(([key, value]) => [key === head ? to : key, value]));
  }
  return exactObject(
    entries.map(([key, value]) => [
      key,
      key === head && isExactObject(value) ? renamed(value, rest, to) : value,
    ]),
  );
}

function headOf(name: string): readonly [string, string | undefined] {
  const dot = name.indexOf(".");
  return dot < 0 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)];
}

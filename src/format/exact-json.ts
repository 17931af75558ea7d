/**
 * JSON as values without losing a digit: a number that would not be written again as it was read
 * is kept as its text. Objects keep keys like `__proto__` as nothing but keys.
 */
export type ExactJson =
  | string
  | number
  | boolean
  | null
  | RawNumber
  | readonly ExactJson[]
  | ExactObject;
export type ExactObject = { readonly [key: string]: ExactJson };
/** What `JSON.rawJSON` makes: `JSON.stringify` writes its text as it is. */
export type RawNumber = { readonly rawJSON: string };

type RawJsonApi = {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
};
const api = JSON as unknown as RawJsonApi;

/** Only such a text can hold a number that changes: long digits, fractions, exponents, -0. */
const risky = /\d{16}|\d[.eE]|-0/;

/** Throws a `SyntaxError` that, other than the runtime's own, quotes nothing of the text. */
export function parseExact(text: string): ExactJson {
  try {
    return parsed(text);
  } catch {
    throw new SyntaxError("the text is not JSON");
  }
}

function parsed(text: string): ExactJson {
  if (!risky.test(text)) return JSON.parse(text) as ExactJson;
  return api.parse(text, (_key, value, { source }) => {
    if (typeof value !== "number" || source === undefined) return value;
    return JSON.stringify(value) === source ? value : api.rawJSON(source);
  }) as ExactJson;
}

export function exactText(value: ExactJson): string {
  return JSON.stringify(value);
}

/** A number of any size, as a value of `ExactJson`. */
export function exactNumber(value: bigint): ExactJson {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : api.rawJSON(value.toString());
}

export function isRawNumber(value: unknown): value is RawNumber {
  return api.isRawJSON(value);
}

export function isExactObject(value: unknown): value is ExactObject {
  return (
    value !== null && typeof value === "object" && !Array.isArray(value) && !api.isRawJSON(value)
  );
}

/** An object of entries in which a key like `__proto__` is nothing but a key. */
export function exactObject(entries: Iterable<readonly [string, ExactJson]>): ExactObject {
  return Object.fromEntries(entries);
}

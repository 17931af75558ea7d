import type { ZodType, z } from "zod";
import type { Place } from "../errors.ts";
import { choicesOf, type JsonSchema, keysAt, schemasAt, typeText } from "./json-schema.ts";
import { meant } from "./nearest.ts";
import { type Path, type Problem, pathText } from "./problem.ts";

type Issue = z.core.$ZodIssue;

/** Where a checked value stands in the whole config, and how it came to be. */
export type Checking = {
  /** The path of the value in the config; issues' paths continue it. */
  readonly at: Path;
  /** Tells keys and types to people; may know more than `schema` does, e.g. the common keys. */
  readonly json: JsonSchema;
  readonly placeOf: (path: Path, of?: "key" | "value") => Place;
  /** Paths of texts that came from outside: these may stand for numbers and booleans. */
  readonly substituted: ReadonlySet<string>;
};

export type Checked = { readonly value: unknown; readonly problems: readonly Problem[] };

/**
 * Parses `value` and says all that is wrong with it. A text that was substituted becomes a number
 * or boolean where the schema wants one, since an environment variable can only be a text.
 */
export function checkWith(schema: ZodType, value: unknown, checking: Checking): Checked {
  let parsed = parseWith(schema, value);
  if (parsed === undefined) return { value: undefined, problems: [noSense(checking)] };
  if (!parsed.success && coerce(value, parsed.error.issues, checking)) {
    parsed = schema.safeParse(value);
  }
  if (parsed.success) return { value: parsed.data, problems: [] };
  const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, value, checking));
  return { value: undefined, problems };
}

/**
 * undefined where the schema itself throws: its checks of length compare whatever is called
 * `length`, and an object without a prototype cannot be compared with a number.
 */
function parseWith(schema: ZodType, value: unknown): z.ZodSafeParseResult<unknown> | undefined {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function noSense({ at, placeOf }: Checking): Problem {
  return {
    severity: "error",
    code: "CONFIG_INVALID",
    message: "an object with a key `length` stands where none can be",
    place: placeOf(at),
    remedy: "write what docs/configuration.md says in place of it",
  };
}

/** Changes `value` in place, which is a copy that nobody else sees. Returns whether it did. */
function coerce(value: unknown, issues: readonly Issue[], checking: Checking): boolean {
  let changed = false;
  for (const issue of issues) {
    if (issue.code !== "invalid_type" || issue.path.length === 0) continue;
    const path = issue.path as (string | number)[];
    if (!checking.substituted.has(pathText([...checking.at, ...path]))) continue;
    const parent = valueAt(value, path.slice(0, -1)) as Record<string | number, unknown>;
    const text = parent[path.at(-1)!];
    if (typeof text !== "string") continue;
    const coerced = scalarFrom(text.trim(), issue.expected);
    if (coerced === undefined) continue;
    parent[path.at(-1)!] = coerced;
    changed = true;
  }
  return changed;
}

function scalarFrom(text: string, expected: string): number | boolean | undefined {
  if (expected === "boolean") return text === "true" ? true : text === "false" ? false : undefined;
  if (expected !== "number" && expected !== "int") return undefined;
  return /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function problemsOf(issue: Issue, value: unknown, checking: Checking): readonly Problem[] {
  const path = issue.path as Path;
  if (issue.code === "unrecognized_keys") {
    const keys = keysAt(checking.json, path);
    return issue.keys.map((key) => {
      const remedy = meant(key, keys, "what is known here");
      return problemAt(checking, [...path, key], `unknown key ${key}`, remedy, "key");
    });
  }
  const schemas = schemasAt(checking.json, path);
  const received = valueAt(value, path);
  const remedy = remedyOf(schemas, received, checking, path);
  if (received === undefined && path.length > 0) {
    const name = String(path.at(-1));
    return [problemAt(checking, path, `${name} is missing`, remedy)];
  }
  return [problemAt(checking, path, messageOf(issue, received), remedy)];
}

/** Never shows the value itself, which may be a secret: only what kind of thing it is. */
function messageOf(issue: Issue, received: unknown): string {
  const got = kindOf(received);
  switch (issue.code) {
    case "invalid_type":
      return `${got} stands where ${issue.expected} should`;
    case "invalid_union":
      return `${got} does not fit here`;
    case "invalid_value":
      return "this is none of the values that are allowed";
    case "too_small":
      return `too small or too short: at least ${issue.minimum}`;
    case "too_big":
      return `too large or too long: at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

function remedyOf(
  schemas: readonly JsonSchema[],
  received: unknown,
  checking: Checking,
  path: Path,
): string {
  const first = schemas[0];
  if (first === undefined) return "dbusd --schema prints what is allowed";
  const choices = choicesOf(schemas);
  const open = checking.substituted.has(pathText([...checking.at, ...path]));
  const secret = schemas.some((schema) => schema.secret);
  if (typeof received === "string" && choices.length > 0 && !open && !secret) {
    return meant(received, choices, "one of");
  }
  const described = [schemas, schemasAt(checking.json, path.slice(0, -1))]
    .map((some) => some.find((schema) => schema.description))
    // What one of a list is for is said of the list.
    .find((schema, i) => schema !== undefined && (i === 0 || typeof path.at(-1) === "number"));
  if (described === undefined) return `it should be ${typeText(first)}`;
  return `${typeText(described)}: ${described.description}`;
}

function problemAt(
  checking: Checking,
  path: Path,
  message: string,
  remedy: string,
  of: "key" | "value" = "value",
): Problem {
  const place = checking.placeOf([...checking.at, ...path], of);
  return { severity: "error", code: "CONFIG_INVALID", message, place, remedy };
}

function kindOf(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return `a ${typeof value}`;
}

function valueAt(value: unknown, path: Path): unknown {
  let here = value;
  for (const step of path) {
    if (here === null || typeof here !== "object") return undefined;
    here = Object.hasOwn(here, step) ? (here as Record<string | number, unknown>)[step] : undefined;
  }
  return here;
}

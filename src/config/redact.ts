import { type JsonSchema, schemasAt } from "./json-schema.ts";
import type { Path } from "./problem.ts";
import { isBareReference } from "./substitute.ts";

export const redacted = "[redacted]";

/** Names that mean a secret, in a plugin whose schema forgot to say so. */
const secretName =
  /pass(word|wd|phrase)?$|secret|token$|api_?key|private_?key|credential|^authorization$|^cookie$/i;

/**
 * A config for showing. Values of fields marked secret become `[redacted]`, unless they are only a
 * reference, which says where the secret is and not what it is. URLs lose user and password.
 */
export function redact(value: unknown, schema: JsonSchema): unknown {
  function visit(part: unknown, path: Path): unknown {
    if (isSecret(schema, path)) return hide(part);
    if (typeof part === "string") return withoutUserinfo(part);
    if (Array.isArray(part)) return part.map((item, at) => visit(item, [...path, at]));
    if (part === null || typeof part !== "object") return part;
    return Object.fromEntries(
      Object.entries(part).map(([key, item]) => [key, visit(item, [...path, key])]),
    );
  }
  return visit(value, []);
}

function isSecret(schema: JsonSchema, path: Path): boolean {
  const last = path.at(-1);
  if (typeof last === "string" && secretName.test(last)) return true;
  return schemasAt(schema, path).some((one) => one.secret === true);
}

function hide(part: unknown): unknown {
  if (part === null || part === undefined || typeof part === "boolean") return part;
  return typeof part === "string" && isBareReference(part) ? part : redacted;
}

/**
 * A URL without user, password and secret query fields, found by the URL parser. A text that looks
 * like a URL with a user but cannot be parsed, or has an `@` in an odd place, is hidden whole.
 * Texts without `://` are left as they are.
 */
export function withoutUserinfo(text: string): string {
  if (!text.includes("://")) return text;
  const url = URL.parse(text.trim());
  if (url === null) return text.includes("@") ? withoutUserinfos(text) : text;
  const secretFields = [...url.searchParams.keys()].filter((name) => secretName.test(name));
  if (!text.includes("@") && secretFields.length === 0) return text;
  url.username = "";
  url.password = "";
  for (const name of secretFields) url.searchParams.set(name, redacted);
  return url.href.includes("@") ? redacted : decodeReferences(url.href);
}

/** A list of URLs with commas between them. A part with a user but no scheme hides all of it. */
function withoutUserinfos(text: string): string {
  const parts = text.split(",");
  const odd =
    parts.length === 1 || parts.some((part) => part.includes("@") && !part.includes("://"));
  return odd ? redacted : parts.map(withoutUserinfo).join(",");
}

/** The URL parser escapes the braces of `${HOST}`; people should see what they wrote. */
function decodeReferences(href: string): string {
  return href
    .replace(/\$%7B([A-Za-z0-9_:./-]*)%7D/g, "${$1}")
    .replaceAll("%5Bredacted%5D", redacted);
}

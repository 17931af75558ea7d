/** What a field may hold at most, in characters of its JSON. */
const CHARS_MAX = 4096;
/** Values looked at in one field at most, so that a large object costs little. */
const VALUES_MAX = 500;
const DEPTH_MAX = 6;

/**
 * Characters that JSON leaves as they are although a terminal or a reader of lines acts on them:
 * DEL and the C1 controls, the line ends of Unicode, and what turns the direction of writing.
 */
const unsafe = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** A string as JSON of one line without control characters, of at most 4 KB. */
export function safeText(text: string): string {
  const cut = text.length > CHARS_MAX;
  const kept = cut ? `${text.slice(0, CHARS_MAX)}… (${text.length} characters)` : text;
  return escaped(JSON.stringify(kept));
}

function escaped(json: string): string {
  return json.replace(unsafe, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Any value as JSON of one line; what is too large is cut, what cannot be read says so. */
export function safeJson(value: unknown): string {
  if (typeof value === "string") return safeText(value);
  const budget = { values: VALUES_MAX };
  const json = escaped(JSON.stringify(plain(value, 0, budget, [])) ?? "null");
  return json.length <= CHARS_MAX ? json : safeText(json.slice(0, CHARS_MAX));
}

function plain(
  value: unknown,
  depth: number,
  budget: { values: number },
  above: readonly object[],
): unknown {
  if (--budget.values < 0) return "…";
  switch (typeof value) {
    case "string":
      return value.length > CHARS_MAX ? `${value.slice(0, CHARS_MAX)}…` : value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "bigint":
      return value.toString();
    case "object":
      if (value === null) return null;
      if (above.includes(value)) return "[circular]";
      if (depth >= DEPTH_MAX) return "…";
      try {
        return plainObject(value, depth, budget, [...above, value]);
      } catch {
        return "[unreadable]";
      }
    default:
      return `[${typeof value}]`;
  }
}

function plainObject(
  value: object,
  depth: number,
  budget: { values: number },
  above: readonly object[],
): unknown {
  if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") {
    return plain(toJSON.call(value), depth + 1, budget, above);
  }
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Map || value instanceof Set) {
    return plain([...value].slice(0, VALUES_MAX), depth + 1, budget, above);
  }
  const entries = Array.isArray(value) ? value.entries() : Object.entries(value);
  const parts: (readonly [string, unknown])[] = [];
  for (const [key, part] of entries) {
    if (budget.values <= 0) break;
    parts.push([String(key), plain(part, depth + 1, budget, above)]);
  }
  return Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
}

import { JsonText } from "../flow/packet.ts";

/**
 * JSON without losing a digit: bigint becomes its decimal text, bytes become base64 in an object
 * that says so, and JSON that came as text goes out as text.
 */
export function encodeJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, part) => {
      if (typeof part === "bigint") return part.toString();
      if (part instanceof Uint8Array) return { base64: Buffer.from(part).toString("base64") };
      if (part instanceof JsonText) return { json: part.text };
      return part;
    },
    indent,
  );
}

/** These would reach an object's prototype in careless code (S7). */
const forbiddenKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** What is wrong with a parsed JSON value that came from outside: too deep, or a key like these. */
export function faultOf(value: unknown, levels: number): string | null {
  if (value === null || typeof value !== "object") return null;
  if (levels === 0) return "it is nested too deeply";
  for (const [key, part] of Object.entries(value)) {
    if (forbiddenKeys.has(key)) return `the key ${key} is not allowed`;
    const fault = faultOf(part, levels - 1);
    if (fault !== null) return fault;
  }
  return null;
}

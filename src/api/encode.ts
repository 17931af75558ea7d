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

/** Whether arrays and objects of a parsed JSON value stand in one another at most `levels` deep. */
export function isShallow(value: unknown, levels: number): boolean {
  if (value === null || typeof value !== "object") return true;
  return levels > 0 && Object.values(value).every((part) => isShallow(part, levels - 1));
}

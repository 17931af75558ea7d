import { JsonText, type Value } from "#src/flow/packet.ts";
import type { Ask } from "./type-zoo.ts";

/** The decoded value spelled as the server's own answer to `askSql` is, to be compared with it. */
export function spell(value: Value, ask: Ask): string | null | undefined {
  if (value === null || value === undefined) return value;
  switch (ask) {
    case "text":
    case "number":
    case "bits":
      return String(value);
    case "hex":
      return Buffer.from(value as Uint8Array)
        .toString("hex")
        .toUpperCase();
    case "chars": {
      if (typeof value !== "string") throw new Error(`not text: ${typeof value}`);
      return Buffer.from(value, "utf8").toString("hex").toUpperCase();
    }
    case "json":
      if (!(value instanceof JsonText)) throw new Error("not JSON");
      return value.text;
  }
}

/**
 * Whether both are the same value. Numbers that are floating point on the server may be spelled
 * otherwise there, and so may doubles and spaces in JSON; every other text must be the same.
 */
export function same(
  answer: string | null,
  decoded: string | null | undefined,
  ask: Ask,
  float: boolean,
): boolean {
  if (answer === null || decoded === null || decoded === undefined) return answer === decoded;
  if (ask === "number") {
    const [a, b] = [Number(answer), Number(decoded)];
    return float ? Math.fround(a) === Math.fround(b) : a === b;
  }
  if (ask === "json") return sameJson(answer, decoded);
  return answer === decoded;
}

const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[[\]{},:]|true|false|null/g;

/** Token by token: integers digit by digit, doubles by value, strings by what they stand for. */
function sameJson(a: string, b: string): boolean {
  const left = a.match(token) ?? [];
  const right = b.match(token) ?? [];
  if (left.length !== right.length) return false;
  return left.every((one, i) => {
    const other = right[i]!;
    if (one === other) return true;
    if (one.startsWith('"')) return JSON.parse(one) === JSON.parse(other);
    const real = /[.eE]/;
    return real.test(one) && real.test(other) && Number(one) === Number(other);
  });
}

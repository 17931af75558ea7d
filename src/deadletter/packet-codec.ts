import { DbusError } from "../errors.ts";
import { JsonText, type Packet } from "../flow/packet.ts";

/**
 * Packets as JSON text without loss. What JSON has no word for is an object with the one key `$`
 * and a list of a tag and its text:
 *
 *     {"$": ["n", "18446744073709551615"]}   bigint
 *     {"$": ["b", "AAEC"]}                   bytes, as base64
 *     {"$": ["j", "{\"a\":1.10}"]}           JsonText
 *     {"$": ["u"]}                           undefined
 *     {"$": ["f", "-0"]}                     a number that JSON would change: -0, NaN, Infinity
 *     {"$": ["o", {...}]}                    an object that itself has a key $
 *
 * A position is kept as its JSON, since a `toJSON` of it cannot be brought back.
 */
export function encodePacket(packet: Packet): string {
  const { ident, payload, position, bytes } = packet;
  return JSON.stringify(tagged({ ident, payload, bytes, position: jsonOf(position) }));
}

/** The packet of such a text. Throws `STATE_CORRUPT`. */
export function decodePacket(text: string): Packet {
  try {
    const value = untagged(JSON.parse(text)) as Packet;
    if (typeof value?.ident === "string" && typeof value.payload?.kind === "string") {
      return withHeaders(value);
    }
  } catch (error) {
    throw new DbusError("STATE_CORRUPT", "a stored packet cannot be read", { cause: error });
  }
  throw new DbusError("STATE_CORRUPT", "what is stored is not a packet");
}

/** Headers were an object until names could come more than once. */
function withHeaders(packet: Packet): Packet {
  const { payload } = packet;
  if (payload.kind !== "bytes" || Array.isArray(payload.headers)) return packet;
  const former = payload.headers as unknown as Readonly<Record<string, string | Uint8Array>>;
  return { ...packet, payload: { ...payload, headers: Object.entries(former) } };
}

/** Any value of a packet as one that JSON keeps, and back. `untaggedValue` throws `STATE_CORRUPT`. */
export const taggedValue = (value: unknown): unknown => tagged(value);
export const untaggedValue = (value: unknown): unknown => untagged(value);

export function jsonOf(position: unknown): unknown {
  return JSON.parse(JSON.stringify(position) ?? "null");
}

function tagged(value: unknown): unknown {
  switch (typeof value) {
    case "bigint":
      return { $: ["n", value.toString()] };
    case "undefined":
      return { $: ["u"] };
    case "number":
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return { $: ["f", Object.is(value, -0) ? "-0" : String(value)] };
    case "object":
      return taggedObject(value);
    default:
      return value;
  }
}

function taggedObject(value: object | null): unknown {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map(tagged);
  if (value instanceof JsonText) return { $: ["j", value.text] };
  if (value instanceof Uint8Array) {
    const { buffer, byteOffset, byteLength } = value;
    return { $: ["b", Buffer.from(buffer, byteOffset, byteLength).toString("base64")] };
  }
  const copy = objectOf(Object.entries(value).map(([key, part]) => [key, tagged(part)]));
  return Object.hasOwn(copy, "$") ? { $: ["o", copy] } : copy;
}

/** A plain object in which a key like `__proto__` is nothing but a key. */
function objectOf(entries: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(entries);
}

function untagged(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(untagged);
  const tag = (value as { $?: unknown }).$;
  if (Array.isArray(tag)) return ofTag(tag[0], tag[1]);
  return plainObject(value);
}

function plainObject(value: object): object {
  return objectOf(Object.entries(value).map(([key, part]) => [key, untagged(part)]));
}

function ofTag(tag: unknown, body: unknown): unknown {
  switch (tag) {
    case "n":
      return BigInt(String(body));
    case "b":
      return new Uint8Array(Buffer.from(String(body), "base64"));
    case "j":
      return new JsonText(String(body));
    case "u":
      return undefined;
    case "f":
      return Number(body);
    case "o":
      return plainObject(body as object);
    default:
      throw new DbusError("STATE_CORRUPT", "a stored packet holds an unknown tag");
  }
}

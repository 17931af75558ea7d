import { z } from "zod";
import { DbusError } from "../errors.ts";
import { JsonText, type Packet, type Part, type RecordFrame, type Value } from "../flow/packet.ts";
import { type ExactJson, isExactObject, isRawNumber } from "./exact-json.ts";

/** The packet as it is, under another ident. */
export function under({ payload, position, bytes }: Packet, ident: string): Packet {
  return { ident, payload, position, bytes };
}

/** A packet of other bytes in the same place of the source, with the key of the record it came in. */
export function documentPacket(json: string, from: Packet, ident: string): Packet {
  const bytes = Math.max(1, Buffer.byteLength(json));
  const payload = { kind: "document", json, ...originOf(from) } as const;
  return { ident, payload, position: from.position, bytes };
}

export function textPacket(text: string, from: Packet, ident: string): Packet {
  const bytes = Math.max(1, Buffer.byteLength(text));
  const payload = { kind: "text", text, ...originOf(from) } as const;
  return { ident, payload, position: from.position, bytes };
}

/** The record that a packet came in, and which part of it the packet is. */
function originOf({ payload }: Packet): Part & { readonly record?: RecordFrame } {
  if (payload.kind === "row") return {};
  const part = payload.part === undefined ? {} : { part: payload.part };
  if (payload.kind !== "bytes") return payload.record ? { ...part, record: payload.record } : part;
  const { kind: _, value: __, part: ___, ...record } = payload;
  return { ...part, record };
}

/** A packet that is one of several which were made of `from`: whoever keeps them tells them apart. */
export function asPart(packet: Packet, from: Packet, index: number): Packet {
  const { payload } = packet;
  if (payload.kind === "row") return packet;
  const above = from.payload.kind === "row" ? undefined : from.payload.part;
  const part = above === undefined ? `${index}` : `${above}.${index}`;
  return { ...packet, payload: { ...payload, part } };
}

/** JSON in place of what the packet holds: of a document, or as the value of a record. */
export function jsonPacket(json: string, packet: Packet, ident: string): Packet {
  const { payload, position } = packet;
  if (payload.kind !== "bytes") return documentPacket(json, packet, ident);
  const value = new TextEncoder().encode(json);
  const bytes = Math.max(1, value.length + (payload.key?.length ?? 0));
  return { ident, payload: { ...payload, value }, position, bytes };
}

/**
 * The JSON text of a document or record; undefined of any other packet, and of a tombstone. Throws
 * `FILTER_FAILED` for a value that is no text: replaced characters would be written on.
 */
export function jsonIn({ payload }: Packet): string | undefined {
  if (payload.kind === "document") return payload.json;
  if (payload.kind !== "bytes" || payload.value === null) return undefined;
  try {
    return utf8.decode(payload.value);
  } catch (error) {
    throw new DbusError("FILTER_FAILED", "the value of the record is not text", { cause: error });
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A value of a column as text: JSON and numbers as they are written, bytes as base64. */
export function columnText(value: NonNullable<Value>): string {
  if (value instanceof JsonText) return value.text;
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : String(value);
}

export function jsonText(value: ExactJson): string {
  if (isRawNumber(value)) return value.rawJSON;
  return isExactObject(value) || Array.isArray(value) ? JSON.stringify(value) : String(value);
}

/** The same text for values of expressions that are equal, and another one for others. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" ? JSON.stringify(value, plainValue) : String(value);
}

/** CEL's own values, such as `uint` and a duration, show nothing of themselves to JSON. */
function plainValue(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  const made = Object.getPrototypeOf(value);
  const isPlain = made === null || made === Object.prototype || value instanceof Uint8Array;
  return isPlain ? value : `${value}`;
}

export const fieldsField = z
  .array(z.string().min(1).max(256))
  .min(1)
  .max(4_096)
  .describe("Columns of rows, or fields of JSON objects; a.b is the field b of the object at a.");

export const onMissingField = z
  .enum(["fail", "pass"])
  .default("fail")
  .describe("What becomes of a packet that has not all of them: it fails, or does without.");

import { DbusError } from "../errors.ts";
import { type Packet, type RowChange, recordOf } from "../flow/packet.ts";
import { isExactObject } from "./exact-json.ts";
import { columnIndex, missing, objectOf, tableName } from "./field-edit.ts";
import { fieldAt } from "./field-path.ts";
import { columnText, jsonIn, jsonText } from "./packet-parts.ts";

/** A text with `${…}` in it that is filled from packets. */
export type Template = {
  /** The same with `*` for what is filled in. */
  readonly pattern: string;
  /** Throws `FIELD_MISSING` for a field that the packet does not have, or that is NULL. */
  fill(packet: Packet): string;
};

const plainNames = ["db", "tbl", "op", "ident", "key"] as const;
type PlainName = (typeof plainNames)[number];

const templateHelp =
  "${db}, ${tbl}, ${op}, ${ident}, ${key} and ${row.NAME} stand for what the packet has there";

/** Throws `CONFIG_INVALID` for a name that nothing stands for. */
export function compileTemplate(text: string): Template {
  const parts = text.split(/\$\{([^}]*)\}/);
  const fillers = parts.map((part, i) => (i % 2 === 0 ? () => part : fillerOf(part)));
  const fixed = fillers.length === 1;
  return {
    pattern: parts.map((part, i) => (i % 2 === 0 ? part : "*")).join(""),
    fill: fixed ? () => text : (packet) => fillers.map((fill) => fill(packet)).join(""),
  };
}

function fillerOf(name: string): (packet: Packet) => string {
  const field = /^row\.(.+)$/.exec(name)?.[1];
  if (field !== undefined) return (packet) => fieldText(packet, field);
  const plain = plainNames.find((one) => one === name);
  if (plain !== undefined) return (packet) => plainText(packet, plain);
  throw new DbusError("CONFIG_INVALID", `nothing stands for \${${name}}`, { remedy: templateHelp });
}

function plainText({ ident, payload }: Packet, name: PlainName): string {
  if (name === "ident") return ident;
  if (name === "key") {
    const key = recordOf(payload)?.key;
    if (key) return new TextDecoder().decode(key);
    throw missing("key", `a packet of kind ${payload.kind}`);
  }
  if (payload.kind !== "row") throw missing(name, `a packet of kind ${payload.kind}`);
  if (name === "op") return payload.op;
  return name === "db" ? payload.table.db : payload.table.name;
}

function fieldText(packet: Packet, field: string): string {
  const { payload } = packet;
  if (payload.kind === "row") return textOfColumn(payload, field);
  const json = jsonIn(packet);
  if (json === undefined) throw missing(field, `a packet of kind ${payload.kind}`);
  const value = fieldAt(objectOf(json), field);
  if (value === undefined || value === null || isExactObject(value) || Array.isArray(value)) {
    throw missing(field);
  }
  return jsonText(value);
}

function textOfColumn({ table, before, after }: RowChange, field: string): string {
  const value = (after ?? before)?.[columnIndex(table, field)];
  if (value === undefined) throw missing(field, tableName(table));
  if (value === null) {
    throw new DbusError("FIELD_MISSING", `${tableName(table)}.${field} is NULL in this row`);
  }
  return columnText(value);
}

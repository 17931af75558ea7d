import { DbusError, type Headers, type Packet, type RowChange, recordOf } from "#plugin";
import { type ExactJson, exactNumber, isRawNumber, parseExact } from "#src/format/exact-json.ts";
import { documentPacket, textPacket, under } from "#src/format/packet-parts.ts";
import { type Fields, fieldsOf, rowOfFields } from "./row-fields.ts";

/** A row as a script sees it: columns by name. What `dbc types` writes narrows it by table. */
export type RowOf<Name extends string = string, Columns = Fields> = {
  readonly kind: "row";
  ident: string;
  readonly op: "I" | "U" | "D";
  /** `db.table`. */
  readonly table: Name;
  before: Columns | undefined;
  after: Columns | undefined;
  /** Unix seconds. */
  readonly ts: number;
  readonly gtid: string | undefined;
};

/** What a script is given and gives back. Its `ident` is where it goes. */
export type Change =
  | RowOf
  | { readonly kind: "document"; ident: string; value: unknown }
  | { readonly kind: "text"; ident: string; text: string }
  | {
      readonly kind: "bytes";
      ident: string;
      key: Uint8Array | null;
      value: Uint8Array | null;
      /** Pairs of a name and a value, in their order. */
      headers: Headers;
      readonly timestamp: number | undefined;
    };

export function changeOf({ payload }: Packet, ident: string): Change {
  switch (payload.kind) {
    case "row":
      return rowChange(payload, ident);
    case "document":
      return { kind: "document", ident, value: scriptValue(parseExact(payload.json)) };
    case "text":
      return { kind: "text", ident, text: payload.text };
    case "bytes": {
      const { key, value, headers, timestamp } = payload;
      return { kind: "bytes", ident, key, value, headers, timestamp };
    }
  }
}

function rowChange({ op, table, before, after, ts, txn }: RowChange, ident: string): RowOf {
  const images = { before: fieldsOf(table, before), after: fieldsOf(table, after) };
  return {
    kind: "row",
    ident,
    op,
    table: `${table.db}.${table.name}`,
    ...images,
    ts,
    gtid: txn.gtid,
  };
}

/** The packet of a change. Throws `FILTER_FAILED` for what cannot be one. */
export function packetOfChange(change: Change, from: Packet, own: string): Packet {
  if (change === null || typeof change !== "object") throw unfit("what it gave");
  const ident = change.ident ?? own;
  if (typeof ident !== "string" || ident === "") throw unfit("its ident");
  switch (change.kind) {
    case "row": {
      if (from.payload.kind !== "row") throw unfit("a row made of something else");
      const payload = rowOfFields(from.payload, change.before, change.after);
      return { ...under(from, ident), payload, bytes: from.bytes + grown(from.payload, payload) };
    }
    case "document": {
      const json = JSON.stringify(change.value, bigintDigits);
      if (json === undefined) throw unfit("its value");
      return documentPacket(json, from, ident);
    }
    case "text":
      if (typeof change.text !== "string") throw unfit("its text");
      return textPacket(change.text, from, ident);
    case "bytes":
      return recordPacket(change, from, ident);
    default:
      throw unfit("its kind");
  }
}

type RecordChange = Extract<Change, { readonly kind: "bytes" }>;

function recordPacket(change: RecordChange, from: Packet, ident: string): Packet {
  const { key = null, value = null, headers = [], timestamp } = change;
  if (!isContent(key) || !isContent(value)) throw unfit("its key or value");
  if (!Array.isArray(headers) || !headers.every(isHeader)) throw unfit("its headers");
  if (timestamp !== undefined && !Number.isSafeInteger(timestamp)) throw unfit("its timestamp");
  let bytes = Math.max(1, (key?.length ?? 0) + (value?.length ?? 0));
  for (const [name, head] of headers) bytes += name.length + (head?.length ?? 0);
  const payload = { ...placeOf(from), kind: "bytes", key, value, headers, timestamp } as const;
  return { ...under(from, ident), payload, bytes };
}

function isContent(part: unknown): boolean {
  return part === null || part instanceof Uint8Array;
}

function isHeader(pair: unknown): boolean {
  if (!Array.isArray(pair) || pair.length !== 2) return false;
  const [name, value] = pair;
  return typeof name === "string" && (typeof value === "string" || isContent(value));
}

/** Where the record stood that a packet came from, and in which cluster. */
function placeOf({ payload }: Packet) {
  const { partition, offset, partitions, cluster } = recordOf(payload) ?? {};
  const part = payload.kind === "row" ? undefined : payload.part;
  return {
    ...(part === undefined ? {} : { part }),
    ...(partition === undefined ? {} : { partition }),
    ...(offset === undefined ? {} : { offset }),
    ...(partitions === undefined ? {} : { partitions }),
    ...(cluster === undefined ? {} : { cluster }),
  };
}

/** What a row is charged more than the one that it was made of. */
function grown(from: RowChange, to: RowChange): number {
  const size = ({ before, after }: RowChange) =>
    [...(before ?? []), ...(after ?? [])].reduce<number>(
      (sum, value) => sum + 32 + (typeof value === "string" ? value.length : 8),
      0,
    );
  return Math.max(0, size(to) - size(from));
}

/** Whole numbers that a number cannot hold are bigint, and become the same digits again. */
function scriptValue(value: ExactJson): unknown {
  if (isRawNumber(value)) {
    return /^-?[1-9]\d+$/.test(value.rawJSON) ? BigInt(value.rawJSON) : Number(value.rawJSON);
  }
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(scriptValue);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, scriptValue(one)]));
}

function bigintDigits(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? exactNumber(value) : value;
}

function unfit(what: string): DbusError {
  return new DbusError("FILTER_FAILED", `the function gave no change: ${what} is not right`);
}

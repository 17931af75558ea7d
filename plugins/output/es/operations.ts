import { randomUUID } from "node:crypto";
import {
  type Clock,
  DbusError,
  type ErrorCode,
  type Packet,
  type Payload,
  type RowChange,
  recordOf,
  type Table,
  type Value,
} from "#plugin";
import type { BulkAction, BulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import { compileDocument, type DocumentEncoder } from "#src/format/document-format.ts";
import { parseTemplate } from "#src/format/template.ts";
import type { EsOutputConfig } from "./es-config.ts";
import { createIndexNames } from "./index-names.ts";
import { boundedId, compileRowIds, idOfTemplate, type RowIds } from "./row-address.ts";
import { compileTemplate, namesColumns, type Source } from "./templates.ts";
import { createPlaces, lowOf, type Place } from "./versions.ts";

/** What is to be done with one document, before its version is known. */
export type Operation = {
  readonly verb: BulkAction["verb"];
  readonly index: string;
  readonly id: string;
  readonly routing: string | undefined;
  readonly pipeline: string | undefined;
  readonly place: Place | undefined;
  /** When the source logged it, in Unix seconds. */
  readonly at: number;
  /** Writes the line of the document; undefined for a delete. */
  readonly document: ((body: BulkBody) => void) | undefined;
};

/**
 * A packet as operations, in order: one, or, where an update moves a row to another id, index or
 * routing, the delete of the old document and the new one. Throws a `DbusError` that concerns the
 * packet alone: FORMAT_KEY_MISSING, FORMAT_TEMPLATE, ES_ROW_PARTIAL, ES_INDEX_INVALID,
 * ES_INDEX_COLLISION. What `document` writes may throw ES_ROW_PARTIAL and FORMAT_VALUE.
 */
export type Operations = (packet: Packet) => readonly Operation[];

type Codec = { readonly document: DocumentEncoder; readonly ids: RowIds };
type Address = Pick<Operation, "index" | "id" | "routing">;

export function createOperations(config: EsOutputConfig, clock: Clock): Operations {
  const { id: idText, routing: routingText, pipeline: pipelineText } = config;
  const names = createIndexNames(config.index, idText !== undefined);
  const optional = (text: string | undefined) =>
    text === undefined ? () => undefined : compileTemplate(parseTemplate(text));
  const routing = optional(routingText);
  const pipeline = optional(pipelineText);
  const idTemplate = idText === undefined ? undefined : compileTemplate(parseTemplate(idText));
  const byColumns = [config.index, idText, routingText].some((text) =>
    namesColumns(text === undefined ? undefined : parseTemplate(text)),
  );
  const places = config.versions === "position" ? createPlaces() : () => undefined;
  const codecs = new WeakMap<Table, Codec>();
  const madeUp = new WeakMap<Packet, string>();

  function codecOf(table: Table): Codec {
    let codec = codecs.get(table);
    if (codec === undefined) {
      const document = compileDocument(table, config);
      codec = { document, ids: compileRowIds(table, config, document.keyEncoders) };
      codecs.set(table, codec);
    }
    return codec;
  }

  function addressOf(source: Source, ownId: () => string): Address {
    const id = idTemplate === undefined ? ownId() : idOfTemplate(idTemplate(source));
    return { index: names(source), id, routing: routing(source) };
  }

  function ofRow(packet: Packet, row: RowChange): readonly Operation[] {
    const { table, op, before, after } = row;
    const image = op === "D" ? before : after;
    if (image === undefined)
      throw new DbusError("FORMAT_VALUE", `a row change ${op} without its image`);
    const { document, ids } = codecOf(table);
    const { ident } = packet;
    const source = { ident, table, image };
    const id = idTemplate === undefined ? ids.current(row) : idOfTemplate(idTemplate(source));
    const index = names(source);
    const route = routing(source);
    const place = places(packet);
    const at = row.ts;
    if (op === "D") return [{ ...deleted, index, id, routing: route, place, at }];
    const write = (body: BulkBody) => {
      const lacking = body.row(document, image);
      if (lacking !== undefined) throw partial(table, lacking);
    };
    // Spelled out, not spread: it is made for each row.
    const written: Operation = {
      verb: "index",
      index,
      id,
      routing: route,
      pipeline: pipeline(source),
      place,
      at,
      document: write,
    };
    const former = op === "U" && before ? formerOf(ident, row, before, written, ids) : undefined;
    if (former === undefined) return [written];
    const gone = { ...deleted, ...former, place, at };
    return [gone, former.id === id ? besides(written) : written];
  }

  /** Where the row was, if it was elsewhere. */
  function formerOf(
    ident: string,
    row: RowChange,
    before: readonly Value[],
    now: Address,
    ids: RowIds,
  ): Address | undefined {
    if (!byColumns) {
      const id = idTemplate === undefined ? ids.former(row) : undefined;
      return id === undefined ? undefined : { index: now.index, id, routing: now.routing };
    }
    const source = { ident, table: row.table, image: before };
    const was = unlessNowhere(() => addressOf(source, () => ids.former(row) ?? now.id));
    if (was === undefined) return undefined;
    const same = was.id === now.id && was.index === now.index && was.routing === now.routing;
    return same ? undefined : was;
  }

  /** What is no row: a document, a line, or a record of a log. */
  function ofOther(packet: Packet): readonly Operation[] {
    const { payload } = packet;
    const record = recordOf(payload);
    const place = placeOfOther(packet);
    const json = jsonOf(packet);
    const source: Source = { ident: packet.ident, table: undefined, json, fields: undefined };
    const key = record?.key ?? null;
    const own = idTemplate !== undefined || key !== null || place !== undefined;
    const address = addressOf(source, () => {
      if (key !== null) return boundedId(`${keyText(key)}${partSuffix(payload)}`);
      if (place === undefined) return madeUpId(packet);
      return boundedId(`${place.lineage}/${lowOf(place)}${partSuffix(payload)}`);
    });
    const at = Math.floor((record?.timestamp ?? clock.wall()) / 1000);
    if (json === undefined) {
      if (key === null && idTemplate === undefined) {
        throw new DbusError("FORMAT_KEY_MISSING", "a record has neither key nor value");
      }
      return [{ ...deleted, ...address, place, at }];
    }
    const verb = own ? "index" : "create";
    const document = (body: BulkBody) => body.text(json);
    return [{ verb, ...address, place, at, document, pipeline: pipeline(source) }];
  }

  /** Several documents may have been made of one row or record, and then have one place. */
  function placeOfOther(packet: Packet): Place | undefined {
    const { payload } = packet;
    const place = places(packet);
    if (place === undefined || payload.kind === "row") return place;
    if (recordOf(payload) !== undefined) {
      return payload.part === undefined ? place : { ...place, shared: true };
    }
    return idTemplate === undefined ? undefined : { ...place, shared: true };
  }

  /** The same when it is tried again, so that a retry writes nothing twice. */
  function madeUpId(packet: Packet): string {
    let id = madeUp.get(packet);
    if (id === undefined) {
      id = randomUUID();
      madeUp.set(packet, id);
    }
    return id;
  }

  return (packet) => {
    const { payload } = packet;
    return payload.kind === "row" ? ofRow(packet, payload) : ofOther(packet);
  };
}

const deleted = { verb: "delete", document: undefined, pipeline: undefined } as const;

/**
 * Where only index or routing has changed, the deleted document and the new one may be one and the
 * same: in one shard, or behind two names of one index. Then the delete has this version already.
 */
function besides(written: Operation): Operation {
  const { place } = written;
  return place === undefined ? written : { ...written, place: { ...place, shared: true } };
}

const nowhere: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "FORMAT_TEMPLATE",
  "ES_INDEX_INVALID",
  "ES_INDEX_COLLISION",
]);

/** A row whose former image has no address was refused, so there is nothing to delete. */
function unlessNowhere(address: () => Address): Address | undefined {
  try {
    return address();
  } catch (error) {
    if (error instanceof DbusError && nowhere.has(error.code)) return undefined;
    throw error;
  }
}

function partial({ db, name }: Table, column: string): DbusError {
  const what = `the row image of ${db}.${name} does not carry column ${column}`;
  return new DbusError("ES_ROW_PARTIAL", what);
}

/** Undefined for a record without a value, which deletes. */
function jsonOf({ payload }: Packet): string | undefined {
  switch (payload.kind) {
    case "document":
      return payload.json;
    case "text":
      return JSON.stringify({ message: payload.text });
    case "bytes":
      return payload.value === null ? undefined : strictText(payload.value);
    default:
      return undefined;
  }
}

/** Tells the parts of a record apart; the first of them has the id of the record. */
function partSuffix(payload: Payload): string {
  const part = payload.kind === "row" ? "" : (payload.part ?? "").replace(/(^|\.)0(\.0)*$/, "");
  return part === "" ? "" : `/${part}`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function strictText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new DbusError("FORMAT_VALUE", "the value of a record is not UTF-8, so it is no JSON");
  }
}

/** A key of letters and digits as it is, any other as base64url, which is no other's key behind a ~. */
function keyText(key: Uint8Array): string {
  const text = Buffer.from(key).toString("latin1");
  return /^[A-Za-z0-9._-]{1,512}$/.test(text) ? text : `~${Buffer.from(key).toString("base64url")}`;
}

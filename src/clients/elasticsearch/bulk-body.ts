import { createByteSink, putByte, putBytes, putText } from "../../byte-sink.ts";
import { DbusError } from "../../errors.ts";
import type { Value } from "../../flow/packet.ts";
import type { DocumentEncoder } from "../../format/document-format.ts";
import { isJson } from "../../format/is-json.ts";
import { fragment, putJsonString } from "../../format/json-put.ts";
import { type DocumentVersion, versionWriter } from "./document-version.ts";

/** What is done with one document. */
export type BulkAction = {
  readonly verb: "index" | "create" | "delete";
  readonly index: string;
  readonly id: string;
  readonly routing: string | undefined;
  readonly pipeline: string | undefined;
};

/**
 * The body of a bulk request, written straight as bytes: an object that is serialised later costs
 * twice the CPU. One line an action, and one for its document.
 */
export type BulkBody = {
  /** Bytes so far. */
  readonly length: number;
  /**
   * With an external version, or undefined; `orSame` writes a document also when it has this very
   * version already.
   */
  action(action: BulkAction, version: DocumentVersion | undefined, orSame: boolean): void;
  /** The line of a row; answers the name of a column that its image lacks, undefined without one. */
  row(encoder: DocumentEncoder, image: readonly Value[]): string | undefined;
  /** The line of a document that is JSON already. Throws `FORMAT_VALUE` for lines that are none. */
  text(json: string): void;
  /** Forgets what came behind the first `length` bytes. */
  truncate(length: number): void;
  /** Valid until the next write. */
  bytes(from: number, to: number): Uint8Array;
};

/** A body that was larger gives its memory back. */
const keptMax = 16 << 20;
const firstBytes = 1 << 20;
const lineFeed = 10;
const headsMax = 10_000;

export function createBulkBody(): BulkBody {
  let sink = createByteSink(firstBytes);
  const putVersion = versionWriter();
  const heads = {
    index: new Map<string, Uint8Array>(),
    create: new Map<string, Uint8Array>(),
    delete: new Map<string, Uint8Array>(),
  };

  function head(verb: BulkAction["verb"], index: string): Uint8Array {
    const known = heads[verb];
    let made = known.get(index);
    if (made === undefined) {
      made = fragment(`{"${verb}":{"_index":${JSON.stringify(index)},"_id":`);
      if (known.size >= headsMax) known.clear();
      known.set(index, made);
    }
    return made;
  }

  return {
    get length() {
      return sink.at;
    },
    action({ verb, index, id, routing, pipeline }, version, orSame) {
      putBytes(sink, head(verb, index));
      putJsonString(sink, id);
      if (version !== undefined) {
        putBytes(sink, versionName);
        putVersion(sink, version);
        putBytes(sink, orSame ? externalOrSame : external);
      }
      if (routing !== undefined) putText(sink, `,"routing":${JSON.stringify(routing)}`);
      if (pipeline !== undefined) putText(sink, `,"pipeline":${JSON.stringify(pipeline)}`);
      putBytes(sink, end);
    },
    row(encoder, image) {
      const lacking = encoder.put(sink, image);
      putByte(sink, lineFeed);
      return lacking;
    },
    text(json) {
      putText(sink, oneLine(json));
      putByte(sink, lineFeed);
    },
    truncate(length) {
      sink.at = length;
      if (length === 0 && sink.buffer.length > keptMax) sink = createByteSink(firstBytes);
    },
    bytes: (from, to) => sink.buffer.subarray(from, to),
  };
}

const versionName = fragment(`,"version":`);
const external = fragment(`,"version_type":"external"`);
const externalOrSame = fragment(`,"version_type":"external_gte"`);
const end = fragment("}}\n");

/**
 * A line end would begin the next action; in JSON it can only stand between values. What the runtime
 * says of a text that is none quotes it, and an error tells no data.
 */
function oneLine(json: string): string {
  if (!/[\r\n]/.test(json)) return json;
  if (!isJson(json)) throw new DbusError("FORMAT_VALUE", "what should be a document is no JSON");
  return json.replace(/[\r\n]/g, " ");
}

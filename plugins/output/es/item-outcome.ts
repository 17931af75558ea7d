import { DbusError, type ErrorCode } from "#plugin";
import { wholeVersion } from "#src/clients/elasticsearch/document-version.ts";
import { described } from "#src/clients/elasticsearch/errors.ts";
import type { BulkItem } from "#src/clients/elasticsearch/port.ts";
import type { Placed } from "./placed.ts";
import { lineageOf, partitionOf } from "./versions.ts";

/**
 * What became of one operation: done, to be tried again, refused for good, or `surpassed`: the
 * document has a version of a later lineage.
 */
export type ItemOutcome =
  | "done"
  | { readonly wait: DbusError }
  | { readonly refused: DbusError }
  | { readonly surpassed: number };

const waits: Readonly<Record<string, ErrorCode>> = {
  cluster_block_exception: "ES_INDEX_BLOCKED",
  index_closed_exception: "ES_INDEX_BLOCKED",
  index_not_found_exception: "ES_INDEX_MISSING",
  es_rejected_execution_exception: "ES_BUSY",
  circuit_breaking_exception: "ES_BUSY",
  unavailable_shards_exception: "ES_UNAVAILABLE",
  security_exception: "ES_DENIED",
};

/** Answered with 500 as if the node were at fault, but the document is and stays so. */
const faultyDocument: ReadonlySet<string> = new Set([
  // Its source is no JSON object.
  "not_x_content_exception",
  // A `fail` processor of an ingest pipeline.
  "fail_processor_exception",
]);

/**
 * An item of a bulk that Elasticsearch answered with 200: each has its own verdict. When the `pipeline`
 * that all take is gone, that says nothing of the document.
 */
export function itemOutcome(item: BulkItem, placed: Placed, pipeline?: string): ItemOutcome {
  const { status, type } = item;
  if (type === undefined && ((status >= 200 && status < 300) || status === 404)) return "done";
  const { index } = placed;
  const said = `index ${index}: ${described(type ?? `status ${status}`, item.reason)}`;
  if (status === 409) return conflict(item, placed, said);
  const isFaulty = type !== undefined && faultyDocument.has(type);
  const code = isFaulty ? undefined : (waits[type ?? ""] ?? codeOf(status));
  if (code !== undefined) return { wait: new DbusError(code, said) };
  if (type === "invalid_index_name_exception") {
    return { refused: new DbusError("ES_INDEX_INVALID", said) };
  }
  if (pipeline !== undefined && item.reason === `pipeline with id [${pipeline}] does not exist`) {
    return { wait: new DbusError("ES_REQUEST_REFUSED", said) };
  }
  // The name has become a data stream, or an alias that is rolled over.
  if (type === "illegal_argument_exception" && /write index|data stream/.test(item.reason)) {
    return { wait: new DbusError("ES_INDEX_UNSUITABLE", said) };
  }
  return { refused: new DbusError("ES_DOCUMENT_REJECTED", said) };
}

function codeOf(status: number): ErrorCode | undefined {
  if (status === 429) return "ES_BUSY";
  if (status === 401 || status === 403) return "ES_DENIED";
  // 404 is a shard that moves: of a document that is not there no error is told.
  return status >= 500 || status === 404 || status === 0 ? "ES_UNAVAILABLE" : undefined;
}

const versions =
  /current version \[(\d+)\] is higher (?:or equal to|than) the one provided \[(\d+)\]/;

/**
 * A document that is there already: this one was written before, or something newer was, and both
 * is what was wanted. Only that: a version of a later lineage may be that of a server that is gone.
 */
function conflict({ reason }: BulkItem, placed: Placed, said: string): ItemOutcome {
  const { isRecord } = placed;
  const version = placed.version && wholeVersion(placed.version);
  // One that was made up, or that a first try has created.
  if (version === undefined && /document already exists/.test(reason)) return "done";
  const found = versions.exec(reason);
  if (version === undefined || found === null) {
    return { refused: new DbusError("ES_DOCUMENT_REJECTED", said) };
  }
  const stored = BigInt(found[1] ?? 0);
  if (stored < version) return { wait: new DbusError("ES_UNAVAILABLE", said) };
  if (lineageOf(stored) !== lineageOf(version)) return { surpassed: lineageOf(stored) };
  if (isRecord && partitionOf(stored) !== partitionOf(version)) {
    const from = `partition ${partitionOf(stored)}, this is of partition ${partitionOf(version)}`;
    const what = `index ${placed.index}: the document was last written from ${from}`;
    return { refused: new DbusError("ES_ORDER_UNKNOWN", what) };
  }
  return "done";
}

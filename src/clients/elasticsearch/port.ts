import type { Clock } from "../../clock.ts";
import type { DbusError } from "../../errors.ts";
import type { Log } from "../../log.ts";

export type EsAuth =
  | { readonly kind: "apiKey"; readonly apiKey: string }
  | { readonly kind: "basic"; readonly username: string; readonly password: string };

export type EsTls = {
  /** PEM text of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** PEM text of the client's certificate and key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** False trusts any certificate. */
  readonly verify: boolean;
};

export type EsConnectionOptions = {
  /** `https://host:9200`, at least one; they take turns, and one that is dead is passed over. */
  readonly nodes: readonly string[];
  readonly auth?: EsAuth | undefined;
  readonly tls: EsTls;
  readonly requestTimeoutMs: number;
  /** Whether requests are sent as gzip. */
  readonly compression: boolean;
  /** Copies of a shard that must be active before it is written; the server's default without it. */
  readonly activeShards?: number | "all" | undefined;
  readonly clock: Clock;
  readonly log: Log;
};

/** What became of one item of a bulk. */
export type BulkItem = {
  readonly status: number;
  /** The name of the error and what the server says of it; undefined where there is none. */
  readonly type: string | undefined;
  /** May quote the document: never shown as it is. */
  readonly reason: string;
};

/** The whole bulk was applied without an error, or there is one item for each operation. */
export type BulkAnswer = "done" | readonly BulkItem[];

/** What stands under a name that is written to. */
export type EsTarget =
  | { readonly kind: "missing" }
  | { readonly kind: "index" }
  | { readonly kind: "alias"; readonly indices: readonly string[] }
  | { readonly kind: "dataStream" };

/** A document with what a conditional write of it must name. */
export type EsDocument = {
  readonly source: unknown;
  readonly seqNo: number;
  readonly primaryTerm: number;
};

/**
 * What dbus asks of Elasticsearch. Every function rejects with a `DbusError`: ES_UNREACHABLE,
 * ES_UNAVAILABLE, ES_BUSY, ES_AUTH, ES_DENIED, ES_TLS, ES_NOT_ELASTICSEARCH, ES_TOO_LARGE,
 * ES_REQUEST_REFUSED, ES_INDEX_INVALID, ES_ADDRESS_REFUSED.
 */
export type EsClient = {
  /** Finds out whether a node answers as Elasticsearch does; the largest request it takes, in bytes. */
  connect(): Promise<{ readonly contentBytesMax: number | undefined }>;
  /** Sends a body of operations, one a line. */
  bulk(body: Uint8Array, signal: AbortSignal): Promise<BulkAnswer>;
  resolve(name: string): Promise<EsTarget>;
  /** Resolves too when it is already there. */
  createIndex(name: string, body: object): Promise<void>;
  /** A setting of an index, or of the one index of an alias, defaults included. */
  setting(name: string, key: string): Promise<string | undefined>;
  /** Those of the privileges that this login lacks; none where a node knows no logins. */
  denied(index: string, privileges: readonly string[]): Promise<readonly string[]>;
  /** True too where this login may not know. */
  hasPipeline(name: string): Promise<boolean>;
  /** Null where there is none. */
  document(index: string, id: string): Promise<EsDocument | null>;
  /** Writes it if it is still as it was (null: if there is none); false when it is not. */
  replace(index: string, id: string, source: object, was: EsDocument | null): Promise<boolean>;
  close(): Promise<void>;
};

/** How long to wait before a request is made again, where the server has said so. */
export function retryAfterMs(error: DbusError): number {
  const { cause } = error;
  const asked = (cause as { readonly retryAfterMs?: unknown } | undefined)?.retryAfterMs;
  return typeof asked === "number" ? asked : 0;
}

import { DbusError, type ErrorCode } from "../../errors.ts";
import { refusal } from "./address-guard.ts";

/** What the client throws has these in common. */
type Thrown = {
  readonly name?: string;
  readonly message?: string;
  readonly statusCode?: number | undefined;
  readonly meta?: {
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, unknown>>;
    readonly meta?: { readonly connection?: { readonly id: string } | null };
  };
};

const tlsWords =
  /certificate|self.signed|\bssl\b|\btls\b|CERT_|ERR_SSL|ERR_TLS|UNABLE_TO_(GET|VERIFY)|altnames?/i;

/**
 * The name of what went wrong. Never keeps what was thrown: it holds the request, and with it the
 * password and the documents.
 */
export function esError(thrown: unknown, what: string): DbusError {
  if (thrown instanceof DbusError) return thrown;
  const { name, message = String(thrown), statusCode, meta } = thrown as Thrown;
  if (name === "ProductNotSupportedError") return notElasticsearch(what);
  if (name === "ResponseError" && statusCode !== undefined) {
    return answerError(statusCode, String(meta?.body ?? ""), meta?.headers ?? {}, what);
  }
  if (message.includes(refusal)) return new DbusError("ES_ADDRESS_REFUSED", `${what}: ${message}`);
  if (name === "TimeoutError") return new DbusError("ES_UNREACHABLE", `${what}: no answer in time`);
  if (tlsWords.test(message)) {
    const plain = /WRONG_VERSION_NUMBER/.test(message);
    const remedy = plain ? { remedy: "what answers speaks no TLS: write http:// in nodes" } : {};
    return new DbusError("ES_TLS", `${what}: ${firstLine(message)}`, remedy);
  }
  return new DbusError("ES_UNREACHABLE", `${what}: ${firstLine(message)}`);
}

/**
 * Whether another node is to be asked: this one could not be reached, or, where only a question was
 * asked, it was late. A write that is late may still be under way.
 */
export function isForAnother(thrown: unknown, isQuestion: boolean): boolean {
  const name = (thrown as Thrown | null)?.name;
  return name === "ConnectionError" || (isQuestion && name === "TimeoutError");
}

/** Which connection of the client a request was not answered on in time. */
export function lateNode(thrown: unknown): string | undefined {
  const { name, meta } = (thrown ?? {}) as Thrown;
  return name === "TimeoutError" ? meta?.meta?.connection?.id : undefined;
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").slice(0, 300);
}

export function notElasticsearch(
  what: string,
  why = "does not say that it is Elasticsearch",
): DbusError {
  return new DbusError("ES_NOT_ELASTICSEARCH", `${what}: what answers ${why}`);
}

const codes: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [401, "ES_AUTH"],
  [403, "ES_DENIED"],
  [413, "ES_TOO_LARGE"],
  [429, "ES_BUSY"],
]);

/** An answer that is no success: its status first, then what Elasticsearch says of it. */
export function answerError(
  status: number,
  body: string,
  headers: Readonly<Record<string, unknown>>,
  what: string,
): DbusError {
  const { type, reason } = reasonOf(body);
  const said = type === undefined ? `HTTP status ${status}` : described(type, reason);
  if (status >= 300 && status < 400) return notElasticsearch(what, "sends us elsewhere");
  const text = `${what}: ${said}`;
  const waitMs = Number(headers["retry-after"]) * 1000;
  const cause = waitMs > 0 ? { cause: { retryAfterMs: waitMs } } : {};
  if (type === "invalid_index_name_exception") return new DbusError("ES_INDEX_INVALID", text);
  if (type === "cluster_block_exception") return new DbusError("ES_INDEX_BLOCKED", text, cause);
  return new DbusError(codes.get(status) ?? otherCode(status, headers), text, cause);
}

/**
 * What a balancer without a node behind it answers, such as 404 or 408, says nothing of a request:
 * that it is wrong only Elasticsearch can say, and it names itself in each of its answers.
 */
function otherCode(status: number, headers: Readonly<Record<string, unknown>>): ErrorCode {
  const isNode = headers["x-elastic-product"] !== undefined;
  return status < 500 && isNode ? "ES_REQUEST_REFUSED" : "ES_UNAVAILABLE";
}

type Reason = { readonly type: string | undefined; readonly reason: string };

function reasonOf(body: string): Reason {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    if (typeof error === "string") return { type: "error", reason: error };
    const { type, reason } = (error ?? {}) as { type?: unknown; reason?: unknown };
    return { type: typeof type === "string" ? type : undefined, reason: String(reason ?? "") };
  } catch {
    return { type: undefined, reason: "" };
  }
}

/** Behind these the value of a field stands in brackets or bare, as ingest processors say it, or an id. */
const quoting =
  /(field value:|against source:|with value|unable to convert|unable to parse date|routing is required for) [\s\S]*$/;

/**
 * The reason without what it quotes of the document: neither a log nor an error tells row data, and
 * whoever may see the row finds it beside the error, in the dead letter. What is quoted may have quotes
 * and line ends in it, so that it ends at the last of them, or nowhere.
 */
export function described(type: string, reason: string): string {
  const kept = reason
    .replace(/ ?in document with id '[\s\S]*$/, "")
    .replace(/\.? ?Preview of field's value: [\s\S]*$/, "")
    .replace(/^\[[\s\S]*\]: version conflict/, "version conflict")
    .replace(quoting, "$1 …")
    .replace(/(?<!\w)(['"])[\s\S]*\1/g, "…")
    .replace(/(?<!\w)['"][\s\S]*$/, "…");
  return kept === "" ? type : `${type}: ${firstLine(kept)}`;
}

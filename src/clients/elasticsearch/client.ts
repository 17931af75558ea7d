import type { Client, ClientOptions, estypes } from "@elastic/elasticsearch";
import { DbusError } from "../../errors.ts";
import { isForbidden } from "./address-guard.ts";
import { createAgent } from "./agent.ts";
import { parseBulk } from "./bulk-answer.ts";
import { answerError, esError, isForAnother, lateNode, notElasticsearch } from "./errors.ts";
import type { EsClient, EsConnectionOptions, EsDocument, EsTarget } from "./port.ts";
import { createTextSerializer } from "./text-serializer.ts";

type Request = {
  readonly method: "GET" | "PUT" | "POST";
  readonly path: string;
  readonly query?: string;
  readonly body?: object | Uint8Array;
  readonly signal?: AbortSignal;
  /** Statuses that are an answer, and no error. */
  readonly expected?: readonly number[];
};

type Answer = { readonly status: number; readonly text: string; readonly isElastic: boolean };

/** A node takes it or it does not: the output tries again, item by item. */
const maxRetries = 0;

/**
 * The client of Elastic, with its connection of node:http: its default one does not run on Bun. It
 * is loaded when it is needed: 15 MB that a bus without Elasticsearch does without.
 */
export async function createEsClient(options: EsConnectionOptions): Promise<EsClient> {
  const { nodes } = options;
  for (const node of nodes) {
    const { hostname } = new URL(node);
    if (!isForbidden(hostname)) continue;
    throw new DbusError("ES_ADDRESS_REFUSED", `${hostname} is a link-local address`);
  }
  const client = await elasticClient(options);
  const bulkQuery = bulkQueryOf(options);
  const where = nodes.map((node) => new URL(node).host).join(", ");

  const described = ({ method, path }: Request): string => `${where}: ${method} ${path}`;

  /** Asks each node in turn until one can be reached: a client that is new knows of none that is dead. */
  async function ask(request: Request): Promise<Answer> {
    for (let left = nodes.length - 1; ; left--) {
      try {
        return await askOne(request);
      } catch (thrown) {
        passOver(thrown);
        const mayGoOn = left > 0 && request.signal?.aborted !== true;
        if (mayGoOn && isForAnother(thrown, request.method === "GET")) continue;
        throw esError(thrown, described(request));
      }
    }
  }

  /** A node that is late is not asked again for a while, as one that cannot be reached. */
  function passOver(thrown: unknown): void {
    const id = lateNode(thrown);
    const late = client.connectionPool.connections.find((connection) => connection.id === id);
    if (late !== undefined) client.connectionPool.markDead(late);
  }

  async function askOne(request: Request): Promise<Answer> {
    const { method, path, query = "", body, signal, expected = [] } = request;
    const content = body instanceof Uint8Array ? { bulkBody: body as Buffer } : body && { body };
    const answer = await client.transport.request<string>(
      { method, path, querystring: query, ...content },
      { meta: true, maxRetries, ignore: [...expected], ...(signal ? { signal } : {}) },
    );
    const { statusCode = 0, headers = {} } = answer;
    const text = typeof answer.body === "string" ? answer.body : "";
    const isFine = (statusCode >= 200 && statusCode < 300) || expected.includes(statusCode);
    if (!isFine) throw answerError(statusCode, text, headers, described(request));
    return { status: statusCode, text, isElastic: headers["x-elastic-product"] !== undefined };
  }

  return {
    async connect() {
      const path = "/_nodes/http";
      const query = "filter_path=nodes.*.http.max_content_length_in_bytes";
      // Whoever may only write documents is not told this, and need not know.
      const expected = [403, 404, 405];
      const { status, text, isElastic } = await ask({ method: "GET", path, query, expected });
      if (!isElastic) throw notElasticsearch(where);
      if (status !== 200) return { contentBytesMax: undefined };
      const { nodes: found = {} } = JSON.parse(text) as ContentLimits;
      const limits = Object.values(found).map(({ http }) => http?.max_content_length_in_bytes);
      const known = limits.filter((limit) => typeof limit === "number" && limit > 0) as number[];
      return { contentBytesMax: known.length === 0 ? undefined : Math.min(...known) };
    },
    async bulk(body, signal) {
      const { text } = await ask({
        method: "POST",
        path: "/_bulk",
        query: bulkQuery,
        body,
        signal,
      });
      return parseBulk(text);
    },
    async resolve(name) {
      const path = `/_resolve/index/${encodeURIComponent(name)}`;
      const { status, text } = await ask({ method: "GET", path, expected: [404] });
      return status === 404 ? { kind: "missing" } : targetOf(JSON.parse(text));
    },
    async createIndex(name, body) {
      const path = `/${encodeURIComponent(name)}`;
      try {
        await ask({ method: "PUT", path, body });
      } catch (error) {
        if (!/resource_already_exists_exception/.test((error as Error).message)) throw error;
      }
    },
    async setting(name, key) {
      const path = `/${encodeURIComponent(name)}/_settings/${key}`;
      const query = "flat_settings=true&include_defaults=true";
      const { status, text } = await ask({ method: "GET", path, query, expected: [403, 404] });
      if (status !== 200) return undefined;
      const [found] = Object.values(JSON.parse(text) as Record<string, Settings>);
      return found?.settings?.[key] ?? found?.defaults?.[key];
    },
    async denied(index, privileges) {
      const body = { index: [{ names: [index], privileges }] };
      const path = "/_security/user/_has_privileges";
      // A node without security knows no such question, and lets everybody.
      const expected = [400, 403, 404, 405, 500];
      const { status, text } = await ask({ method: "POST", path, body, expected });
      if (status !== 200) return [];
      const { index: found = {} } = JSON.parse(text) as Privileges;
      return Object.entries(found[index] ?? {}).flatMap(([name, has]) => (has ? [] : [name]));
    },
    async hasPipeline(name) {
      const path = `/_ingest/pipeline/${encodeURIComponent(name)}`;
      const { status } = await ask({ method: "GET", path, expected: [403, 404] });
      return status !== 404;
    },
    async document(index, id) {
      const path = `/${encodeURIComponent(index)}/_doc/${encodeURIComponent(id)}`;
      const { status, text } = await ask({ method: "GET", path, expected: [404] });
      if (status === 404) return null;
      const { _source, _seq_no, _primary_term } = JSON.parse(text) as estypes.GetGetResult;
      return { source: _source, seqNo: _seq_no ?? 0, primaryTerm: _primary_term ?? 0 };
    },
    async replace(index, id, source, was) {
      const path = `/${encodeURIComponent(index)}/_doc/${encodeURIComponent(id)}`;
      const query = `${conditionOf(was)}&refresh=false`;
      const { status } = await ask({ method: "PUT", path, query, body: source, expected: [409] });
      return status !== 409;
    },
    close: () => client.close(),
  };
}

function bulkQueryOf({ activeShards }: EsConnectionOptions): string {
  const filter = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";
  return activeShards === undefined ? filter : `${filter}&wait_for_active_shards=${activeShards}`;
}

type Privileges = { readonly index?: Readonly<Record<string, Readonly<Record<string, boolean>>>> };

type Settings = {
  readonly settings?: Readonly<Record<string, string>>;
  readonly defaults?: Readonly<Record<string, string>>;
};

type ContentLimits = {
  readonly nodes?: Readonly<
    Record<string, { readonly http?: { readonly max_content_length_in_bytes?: number } }>
  >;
};

function conditionOf(was: EsDocument | null): string {
  return was === null
    ? "op_type=create"
    : `if_seq_no=${was.seqNo}&if_primary_term=${was.primaryTerm}`;
}

function targetOf(answer: estypes.IndicesResolveIndexResponse): EsTarget {
  if (answer.data_streams.length > 0) return { kind: "dataStream" };
  const [alias] = answer.aliases;
  if (alias !== undefined) return { kind: "alias", indices: [alias.indices].flat() };
  return answer.indices.length > 0 ? { kind: "index" } : { kind: "missing" };
}

async function elasticClient(options: EsConnectionOptions): Promise<Client> {
  const { nodes, auth, tls, requestTimeoutMs, compression } = options;
  const { Client, HttpConnection } = await import("@elastic/elasticsearch");
  const { ca, cert, key, verify } = tls;
  const credentials = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
  return new Client({
    nodes: [...nodes],
    Connection: HttpConnection,
    // It is called as a class, of which the client asks no more than these four functions.
    Serializer: createTextSerializer as unknown as NonNullable<ClientOptions["Serializer"]>,
    maxRetries,
    requestTimeout: requestTimeoutMs,
    compression,
    sniffOnStart: false,
    enableMetaHeader: false,
    agent: createAgent,
    tls: { ...credentials, rejectUnauthorized: verify, minVersion: "TLSv1.2" },
    ...(auth === undefined ? {} : { auth: loginOf(auth) }),
  });
}

function loginOf(auth: NonNullable<EsConnectionOptions["auth"]>) {
  return auth.kind === "apiKey"
    ? { apiKey: auth.apiKey }
    : { username: auth.username, password: auth.password };
}

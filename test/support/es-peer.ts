import { randomBytes } from "node:crypto";

/** Elasticsearch as a test speaks to it: without the code under test. */
export type EsPeer = {
  readonly url: string;
  request(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }>;
  /** As `request`, but it has to succeed. */
  ok(method: string, path: string, body?: unknown): Promise<unknown>;
  /** The documents of an index by id, all of them: what was written before is searched for too. */
  documents(index: string): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>>;
  /** One document, read as it is now, without a refresh; undefined where there is none. */
  document(index: string, id: string): Promise<Readonly<Record<string, unknown>> | undefined>;
};

export function esPeer(url: string): EsPeer {
  async function request(method: string, path: string, body?: unknown) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const type = path.includes("_bulk") ? "application/x-ndjson" : "application/json";
    const headers = body === undefined ? {} : { "content-type": type };
    const answer = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(text ? { body: text } : {}),
    });
    return { status: answer.status, json: JSON.parse((await answer.text()) || "null") as unknown };
  }

  async function ok(method: string, path: string, body?: unknown): Promise<unknown> {
    const { status, json } = await request(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(json)}`);
    return json;
  }

  async function documents(index: string) {
    await ok("POST", `/${index}/_refresh`);
    const found = new Map<string, Readonly<Record<string, unknown>>>();
    let after: readonly unknown[] | undefined;
    for (;;) {
      const from = after === undefined ? {} : { search_after: after };
      const body = { size: 5_000, sort: [{ _doc: "asc" }], ...from };
      const { hits } = (await ok("POST", `/${index}/_search`, body)) as Found;
      for (const { _id, _source } of hits.hits) found.set(_id, _source);
      after = hits.hits.at(-1)?.sort;
      if (hits.hits.length < 5_000 || after === undefined) return found;
    }
  }

  async function document(index: string, id: string) {
    const path = `/${index}/_doc/${encodeURIComponent(id)}`;
    const { status, json } = await request("GET", path);
    return status === 404 ? undefined : (json as { _source: Record<string, unknown> })._source;
  }

  return { url, request, ok, documents, document };
}

type Found = {
  readonly hits: {
    readonly hits: readonly {
      readonly _id: string;
      readonly _source: Readonly<Record<string, unknown>>;
      readonly sort: readonly unknown[];
    }[];
  };
};

/** A name that no other test has. */
export function freshName(what: string): string {
  return `${what}-${randomBytes(4).toString("hex")}`;
}

import { canonicalText, parseExact } from "./ledger.ts";
import { type Fields, sealOf } from "./ledger-records.ts";
import { committedTxns, type LedgerAddress, tableSums } from "./ledger-writer.ts";

const pageSize = 2_000;

/**
 * The documents of an index by id, every digit as it is written there; empty where there is no index.
 * What was written before counts, for it is refreshed first.
 */
export async function exactDocuments(url: string, index: string): Promise<Map<string, Fields>> {
  const found = new Map<string, Fields>();
  const refreshed = await fetch(`${url}/${index}/_refresh`, { method: "POST" });
  if (refreshed.status === 404) return found;
  let after: unknown;
  for (;;) {
    const from = after === undefined ? {} : { search_after: after };
    const answer = await fetch(`${url}/${index}/_search`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ size: pageSize, sort: [{ _doc: "asc" }], ...from }),
    });
    if (!answer.ok) throw new Error(`${index}: ${answer.status} ${await answer.text()}`);
    const text = await answer.text();
    const { hits } = (parseExact(text) as { hits: { hits: readonly Hit[] } }).hits;
    for (const { _id, _source } of hits) found.set(_id, _source);
    if (hits.length < pageSize) return found;
    const plain = JSON.parse(text) as { hits: { hits: readonly { sort: unknown }[] } };
    after = plain.hits.hits.at(-1)?.sort;
  }
}

/** How many documents were written to the indices and deleted from them since their node started. */
export async function writesTo(url: string, indices: readonly string[]): Promise<number> {
  const filter = "filter_path=_all.primaries.indexing&ignore_unavailable=true";
  const answer = await fetch(`${url}/${indices.join()}/_stats/indexing?${filter}`);
  if (!answer.ok) throw new Error(`${indices}: ${answer.status} ${await answer.text()}`);
  const { _all } = (await answer.json()) as Stats;
  const { index_total: written = 0, delete_total: deleted = 0 } = _all?.primaries?.indexing ?? {};
  return written + deleted;
}

type Stats = {
  readonly _all?: {
    readonly primaries?: {
      readonly indexing?: { readonly index_total?: number; readonly delete_total?: number };
    };
  };
};

type Hit = { readonly _id: string; readonly _source: Fields };

/** What of the ledger's tables is not in its indices as it is in MySQL: nothing, if all is well. */
export type Difference = {
  readonly missing: readonly string[];
  /** In the index, but not in the table. */
  readonly left: readonly string[];
  /** Another value in some column. */
  readonly changed: readonly string[];
};

export type Compared = {
  readonly db: string;
  /** Before the names of the indices; the database's own name unless told. */
  readonly prefix?: string;
  /** Whether a row is to be there, by its key, e.g. `item:7`; all are unless told. */
  readonly isExpected?: (key: string) => boolean;
};

/** Compares row by row, each column by the seal over all of them. */
export async function compareLedger(
  mysql: LedgerAddress,
  url: string,
  { db, prefix = db, isExpected = () => true }: Compared,
): Promise<Difference & { readonly rows: number }> {
  const rows = new Map(
    [...(await tableSums(mysql, db))].filter(([id]) => isExpected(`item:${id}`)),
  );
  const documents = await exactDocuments(url, `${prefix}.item`);
  const missing = [...rows.keys()].filter((id) => !documents.has(id));
  const left = [...documents.keys()].filter((id) => !rows.has(id));
  const changed = [...rows].filter(([id, [sum]]) => {
    const document = documents.get(id);
    if (document === undefined) return false;
    const seal = sealOf(document);
    return !seal.intact || seal.sum !== sum;
  });
  const txns = new Map(
    [...(await committedTxns(mysql, db))].filter(([id]) => isExpected(`txn:${id}`)),
  );
  const written = new Map<string, string>();
  for (const { id, changes } of (await exactDocuments(url, `${prefix}.txn`)).values()) {
    written.set(String(id), canonicalText(changes));
  }
  return {
    rows: rows.size + txns.size,
    missing: [...missing, ...[...txns.keys()].filter((id) => !written.has(id))],
    left: [...left, ...[...written.keys()].filter((id) => !txns.has(id))],
    changed: [
      ...changed.map(([id]) => id),
      ...[...txns].flatMap(([id, count]) => (written.get(id) === count ? [] : [id])),
    ],
  };
}

import { createHash } from "node:crypto";
import { sinkNameOf } from "./config.ts";
import type { KafkaRoundPlan } from "./plan.ts";
import type { SeenRecord } from "./records.ts";

/** Where a record of the source is to come to, and as what; undefined where a filter drops it. */
export type Expected = { readonly sink: string; readonly value: string | null };

/** What became of transactions, by the names of their records; all others were committed. */
export type Fates = {
  readonly aborted: ReadonlySet<string>;
  /** Whose end was asked for and not answered: it may have come to anything. */
  readonly unsure: ReadonlySet<string>;
};

export type Expect = (record: SeenRecord) => Expected | undefined;

export function expectedOf(
  plan: Pick<KafkaRoundPlan, "filter">,
  name: string,
  {
    aborted,
    isBefore,
  }: Pick<Fates, "aborted"> & {
    /** Records of before are none of this round's. */
    readonly isBefore: (record: SeenRecord) => boolean;
  },
): Expect {
  const { filter } = plan;
  return (record) => {
    if (isBefore(record) || aborted.has(record.name)) return undefined;
    const { topic, key, value } = record;
    const sink = sinkNameOf(plan, { name, topic });
    switch (filter?.kind) {
      case "route":
      case "where":
        return key?.endsWith(String(filter.digit)) === true ? undefined : { sink, value };
      case "rename":
        return { sink, value: value?.replace('"pad":', '"filler":') ?? null };
      default:
        return { sink, value };
    }
  };
}

/** The `_id` that the documents of a key have. */
export function documentIdOf(key: string): string {
  if (/^[A-Za-z0-9._-]{1,512}$/.test(key)) return key;
  const text = `~${Buffer.from(key, "latin1").toString("base64url")}`;
  return text.length <= 512 ? text : createHash("sha256").update(text).digest("base64url");
}

/** What the document of an id may be, as JSON; null is none. */
export type Table = Map<string, Set<string | null>>;

/**
 * The compacted table of each sink: by id the value of the last record of its key, or what else it may
 * be where nobody knows whether that was committed.
 */
export function tablesOf(
  source: readonly SeenRecord[],
  expect: Expect,
  unsure: Fates["unsure"],
): Map<string, Table> {
  const tables = new Map<string, Table>();
  for (const record of source) {
    const expected = expect(record);
    if (expected === undefined || record.key === null) continue;
    const table: Table = tables.get(expected.sink) ?? new Map();
    tables.set(expected.sink, table);
    const id = documentIdOf(record.key);
    const before = unsure.has(record.name) ? (table.get(id) ?? [null]) : [];
    table.set(id, new Set([...before, expected.value]));
  }
  return tables;
}

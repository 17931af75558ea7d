import { type Clock, DbusError, type Log } from "#plugin";
import type { EsClient } from "#src/clients/elasticsearch/port.ts";
import type { EsOutputConfig } from "./es-config.ts";

/** Which indices are there, as far as is known. */
export type Indices = {
  isKnown(index: string): boolean;
  /** Looks, and creates what is missing where that is allowed. */
  learn(index: string): Promise<void>;
  /** Looks anew the next time. */
  forget(index: string): void;
  /** Forgets all of them from time to time: an alias may have moved, an index be gone. */
  refresh(): void;
};

const refreshMs = 60_000;
const indicesMax = 100_000;

type Deps = {
  readonly clock: Clock;
  readonly log: Log;
  /** How many are kept in mind. */
  readonly max?: number;
};

export function createIndices(
  client: Pick<EsClient, "resolve" | "createIndex" | "setting">,
  config: Pick<EsOutputConfig, "createIndices" | "gcDeletes" | "versions">,
  { clock, log, max = indicesMax }: Deps,
): Indices {
  const known = new Set<string>();
  const warned = new Set<string>();
  let refreshedAt = clock.now();

  async function learn(index: string): Promise<void> {
    const target = await client.resolve(index);
    if (target.kind === "missing") await create(index);
    else if (target.kind === "dataStream") throw unsuitable(index, "is a data stream");
    else if (target.kind === "alias" && target.indices.length > 1) {
      throw unsuitable(index, `is an alias of ${target.indices.length} indices`);
    } else await look(index);
    if (known.size >= max) known.clear();
    known.add(index);
  }

  async function create(index: string): Promise<void> {
    const { createIndices, gcDeletes } = config;
    if (createIndices === false) {
      throw new DbusError("ES_INDEX_MISSING", `index ${index} does not exist`);
    }
    const { shards, replicas, dynamic, mappings, settings } = createIndices;
    await client.createIndex(index, {
      settings: {
        ...(shards === undefined ? {} : { "index.number_of_shards": shards }),
        ...(replicas === undefined ? {} : { "index.number_of_replicas": replicas }),
        "index.gc_deletes": gcDeletes,
        ...settings,
      },
      mappings: { ...(dynamic === undefined ? {} : { dynamic }), ...mappings },
    });
    log.info("created an index", { index });
  }

  /** The settings of an index that somebody else has made are his, so they are only told. */
  async function look(index: string): Promise<void> {
    if (config.versions === "none" || warned.has(index)) return;
    const kept = await client.setting(index, "index.gc_deletes");
    if (kept === undefined || millisOf(kept) >= millisOf(config.gcDeletes)) return;
    if (warned.size >= max) warned.clear();
    warned.add(index);
    log.warn("a deleted row that comes again later than this would be there again", {
      index,
      "index.gc_deletes": kept,
      remedy: `PUT ${index}/_settings {"index.gc_deletes": "${config.gcDeletes}"}`,
    });
  }

  return {
    isKnown: (index) => known.has(index),
    learn,
    forget: (index) => void known.delete(index),
    refresh() {
      if (clock.now() - refreshedAt < refreshMs) return;
      refreshedAt = clock.now();
      known.clear();
    },
  };
}

function unsuitable(index: string, why: string): DbusError {
  return new DbusError("ES_INDEX_UNSUITABLE", `${index} ${why}`);
}

const units: Readonly<Record<string, number>> = {
  ...{ ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 },
};

/** Of a time as Elasticsearch writes it; -1 for what is none. */
function millisOf(text: string): number {
  const found = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  return found === null ? -1 : Number(found[1]) * (units[found[2] ?? ""] ?? 0);
}

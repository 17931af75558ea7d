import { createHash } from "node:crypto";
import { DbusError } from "#plugin";
import type { EsClient } from "#src/clients/elasticsearch/port.ts";
import { lineagesMax } from "./versions.ts";

/**
 * Which number a lineage has in the versions of an index. Versions must grow, and those of another
 * server begin anew: so each lineage has a higher number than those that wrote before it. They are
 * kept in Elasticsearch, in an index beside the documents: where the state folder of one machine is
 * lost, or another machine goes on, numbers that began anew would have every write refused as old.
 */
export type Lineages = {
  /** Undefined when it is not known yet: then `learn` it. */
  number(index: string, lineage: string): number | undefined;
  /** Looks a lineage up, and gives a new one the next number. Throws `ES_LINEAGES_EXHAUSTED`. */
  learn(index: string, lineage: string, at: number): Promise<void>;
  /**
   * A document has a version of lineage `number`, which is above that of a row logged `at` (Unix
   * seconds). The row may be old: its server is gone, and another one has written since. Or the
   * server is back, and its row newer than the other's reign: then its lineage gets a number above
   * that one, and the answer is true: the row is to be written again.
   */
  surpass(index: string, lineage: string, number: number, at: number): Promise<boolean>;
};

/** A lineage, and when its first row in this index was logged, in Unix seconds. */
type Reign = { readonly lineage: string; readonly since: number };

/** One document an index: the place of a lineage in the list, from 1, is its number. */
type Stored = { readonly index: string; readonly lineages: readonly Reign[] };

const indicesMax = 100_000;
const idBytesMax = 512;

/** Small, and never searched. */
const layout = {
  settings: { number_of_shards: 1, auto_expand_replicas: "0-1" },
  mappings: { dynamic: false },
};

/** A lineage has a new number in an index, its first one there unless it is back behind another one. */
export type OnNumbered = (index: string, lineage: string, number: number, isBack: boolean) => void;

export function createLineages(
  client: Pick<EsClient, "document" | "replace" | "createIndex">,
  lineageIndex: string,
  onNumbered: OnNumbered,
): Lineages {
  const known = new Map<string, ReadonlyMap<string, number>>();
  let created = false;

  function keep(index: string, reigns: readonly Reign[]): void {
    if (known.size >= indicesMax) known.clear();
    // One that comes twice has the number of its last time.
    known.set(index, new Map(reigns.map(({ lineage }, i) => [lineage, i + 1])));
  }

  /**
   * Answers whether the lineage has a number above `above` now, or that one: then another process
   * has raised it, and the place of a row tells whether it is newer.
   */
  async function update(index: string, { lineage, since }: Reign, above: number): Promise<boolean> {
    if (!created) await client.createIndex(lineageIndex, layout);
    created = true;
    const id = idOf(index);
    for (;;) {
      const was = await client.document(lineageIndex, id);
      const { lineages } = storedOf(was?.source, index);
      keep(index, lineages);
      const has = lineages.findLastIndex((reign) => reign.lineage === lineage) + 1;
      if (has > 0 && has >= above) return true;
      const later = lineages[above - 1];
      if (later !== undefined && since < later.since) return false;
      const number = Math.max(lineages.length, above) + 1;
      if (number > lineagesMax) throw exhausted(index);
      const gap = Array.from({ length: number - 1 - lineages.length }, () => unknownReign);
      const next = [...lineages, ...gap, { lineage, since }];
      if (!(await client.replace(lineageIndex, id, { index, lineages: next }, was))) continue;
      keep(index, next);
      onNumbered(index, lineage, number, has > 0);
      return true;
    }
  }

  return {
    number: (index, lineage) => known.get(index)?.get(lineage),
    async learn(index, lineage, since) {
      await update(index, { lineage, since }, 0);
    },
    surpass: (index, lineage, number, since) => update(index, { lineage, since }, number),
  };
}

/** Of versions that are in the index although nothing is written down of them. */
const unknownReign: Reign = { lineage: "", since: 0 };

function exhausted(index: string): DbusError {
  return new DbusError(
    "ES_LINEAGES_EXHAUSTED",
    `index ${index} has no number for one more lineage`,
  );
}

function idOf(index: string): string {
  if (Buffer.byteLength(index) <= idBytesMax) return index;
  return createHash("sha256").update(index).digest("base64url");
}

/** Throws `ES_REQUEST_REFUSED` for what dbus has not written: a wrong number would lose rows. */
function storedOf(source: unknown, index: string): Stored {
  if (source === undefined || source === null) return { index, lineages: [] };
  const { lineages } = source as { readonly lineages?: unknown };
  if (Array.isArray(lineages) && lineages.every(isReign)) return { index, lineages };
  throw new DbusError(
    "ES_REQUEST_REFUSED",
    `the lineages of index ${index} are not what dbus wrote`,
  );
}

function isReign(value: unknown): value is Reign {
  const { lineage, since } = (value ?? {}) as Partial<Reign>;
  return typeof lineage === "string" && typeof since === "number";
}

import type { Flavor } from "../flavor.ts";
import { type Cursor, uint48 } from "./bytes.ts";
import { parseTableMap, type TableMap } from "./table-map.ts";

/** A server repeats a TABLE_MAP in every statement: what it said last, with the bytes it said. */
type Entry = { readonly bytes: Buffer; readonly map: TableMap };

export type TableCache = {
  /** The map in an event body; the object from before if the bytes are the same as before. */
  put(c: Cursor, flavor: Flavor): TableMap;
  get(tableId: number): TableMap | undefined;
  clear(): void;
  /** To be called between transactions: forgets everything when there is too much. */
  trim(): void;
};

const tablesMax = 4096;

export function createTableCache(): TableCache {
  const entries = new Map<number, Entry>();
  return {
    put(c, flavor) {
      const { bytes, at, end } = c;
      const known = end - at < 6 ? undefined : entries.get(uint48(bytes, at));
      if (known?.bytes.compare(bytes, at, end) === 0) return known.map;
      const map = parseTableMap(c, flavor);
      entries.set(map.tableId, { bytes: Buffer.from(bytes.subarray(at, end)), map });
      return map;
    },
    get: (tableId) => entries.get(tableId)?.map,
    clear: () => entries.clear(),
    trim() {
      if (entries.size > tablesMax) entries.clear();
    },
  };
}

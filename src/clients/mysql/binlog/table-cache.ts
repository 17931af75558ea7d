import { type Cursor, uint48 } from "./bytes.ts";
import { parseTableMap, type TableMap } from "./table-map.ts";

/** A server repeats a TABLE_MAP in every statement: what it said last, with the bytes it said. */
type Entry = { readonly bytes: Buffer; readonly map: TableMap };

export type TableCache = {
  /** The map in an event body; the object from before if the bytes are the same as before. */
  put(c: Cursor): TableMap;
  get(tableId: number): TableMap | undefined;
  clear(): void;
  /** To be called between transactions: forgets everything when there is too much. */
  trim(): void;
};

const tablesMax = 4096;

export function createTableCache(): TableCache {
  const entries = new Map<number, Entry>();
  return {
    put(c) {
      const body = c.bytes.subarray(c.at, c.end);
      const tableId = body.length < 6 ? -1 : uint48(body, 0);
      const known = entries.get(tableId);
      if (known?.bytes.equals(body)) return known.map;
      const map = parseTableMap(c);
      entries.set(map.tableId, { bytes: Buffer.from(body), map });
      return map;
    },
    get: (tableId) => entries.get(tableId)?.map,
    clear: () => entries.clear(),
    trim() {
      if (entries.size > tablesMax) entries.clear();
    },
  };
}

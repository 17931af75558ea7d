import type { Table } from "#src/flow/packet.ts";
import { corrupt } from "./bytes.ts";
import { skipCodec } from "./column-codec.ts";
import type { BinlogEvent, RowsEvent } from "./event.ts";
import {
  type ColumnCodec,
  compileReader,
  compileSkipper,
  type RowReader,
  type RowSkipper,
} from "./row-codec.ts";
import type { SchemaLookup } from "./schema-lookup.ts";
import type { TableFilter } from "./table-filter.ts";
import type { TableMap } from "./table-map.ts";
import { isNamed, isSelfContained, type TableVersion, tableVersion } from "./table-version.ts";

/** How the rows of one table version are read; compiled when the first of a kind comes. */
export type TableReaders = {
  readonly included: boolean;
  readonly map: TableMap;
  /** Resolves names and types. Throws as `tableVersion` does. */
  table(): Table;
  /** For images that carry the columns of the bitmap, or all of them for null. */
  reader(present: Uint8Array | null): RowReader;
  skipper(present: Uint8Array | null): RowSkipper;
};

export type TableReadersCache = {
  of(map: TableMap): TableReaders;
  /** The table that `schema` will be asked for when its rows come. */
  needs(event: BinlogEvent): NeededTable | null;
};

export type NeededTable = {
  readonly db: string;
  readonly table: string;
  /** Its names are in the binlog: only some of its types are not. */
  readonly named: boolean;
};

/** Row images come in few shapes; a server that sends ever new ones costs compiling, not memory. */
const shapesMax = 64;

export function createTableReaders(filter: TableFilter, schema: SchemaLookup): TableReadersCache {
  const known = new WeakMap<TableMap, TableReaders & { isResolved(): boolean }>();

  function of(map: TableMap) {
    let readers = known.get(map);
    if (readers === undefined) {
      readers = tableReaders(map, filter(map.db, map.table), schema);
      known.set(map, readers);
    }
    return readers;
  }

  return {
    of,
    needs(event) {
      if (event.kind !== "table_map" || isSelfContained(event.map)) return null;
      const readers = of(event.map);
      if (!readers.included || readers.isResolved()) return null;
      const { db, table } = event.map;
      return { db, table, named: isNamed(event.map) };
    },
  };
}

function tableReaders(map: TableMap, included: boolean, schema: SchemaLookup) {
  let version: TableVersion | undefined;
  let skipCodecs: readonly (ColumnCodec | undefined)[] | undefined;

  function resolved(): TableVersion {
    if (version === undefined) {
      const found = isSelfContained(map) ? undefined : schema(map.db, map.table, map.tableId, map);
      version = tableVersion(map, found);
    }
    return version;
  }

  return {
    included,
    map,
    isResolved: () => version !== undefined,
    table: () => resolved().table,
    reader: perShape((present: readonly number[]) => compileReader(resolved().codecs, present)),
    skipper: perShape((present: readonly number[]) => {
      skipCodecs ??= map.meta.map((meta, i) => skipCodec(map.types[i]!, meta));
      return compileSkipper(skipCodecs, present);
    }),
  };

  function perShape<T>(compile: (present: readonly number[]) => T) {
    const shapes = new Map<string, T>();
    let whole: T | undefined;
    return (present: Uint8Array | null): T => {
      if (present === null) {
        whole ??= compile(map.meta.map((_, i) => i));
        return whole;
      }
      const key = present.join();
      let compiled = shapes.get(key);
      if (compiled === undefined) {
        compiled = compile(columnsOf(present, map.columnCount));
        if (shapes.size >= shapesMax) shapes.clear();
        shapes.set(key, compiled);
      }
      return compiled;
    };
  }
}

function columnsOf(present: Uint8Array, count: number): number[] {
  const columns: number[] = [];
  for (let i = 0; i < count; i++) if (present[i >> 3]! & (1 << (i & 7))) columns.push(i);
  return columns;
}

/** Counts the rows of an event without reading their values. */
export function countRows(event: RowsEvent, readers: TableReaders): number {
  const { bytes, end, op } = event;
  const before = readers.skipper(event.presentBefore);
  const after = readers.skipper(event.presentAfter);
  let count = 0;
  for (let p = event.start; p < end; count++) {
    const from = p;
    p = before(bytes, p, end);
    if (op === "U") p = after(bytes, p, end);
    if (p === from) throw corrupt("a row of no bytes");
  }
  return count;
}

import type { Packet } from "#src/flow/packet.ts";
import type { BinlogEvent, Flavor } from "./event.ts";
import type { MysqlPosition } from "./position.ts";
import type { SchemaLookup } from "./schema-lookup.ts";
import type { TableFilter } from "./table-filter.ts";

export type RowStreamOptions = {
  readonly flavor: Flavor;
  /** Goes into every position: the server_uuid, or a name for a set of files. */
  readonly lineage: string;
  /** Where reading began; null at the head of a file. */
  readonly resume: MysqlPosition | null;
  readonly filter: TableFilter;
  readonly schema: SchemaLookup;
  /** The ident of every packet. */
  readonly eventIdent: string;
};

/**
 * Turns events into packets, one a row. For each event, in order, the caller:
 *
 *     for (const inner of eventsOf(event)) {
 *       const table = stream.needs(inner);
 *       if (table) await fetch it, so that `schema` answers;
 *       const packets = stream.push(inner);
 *       if (packets.length > 0) await context.emitBatch(packets);
 *     }
 *     if nothing was emitted since: context.idle(stream.position());
 */
export type RowStream = {
  /** The table whose names `schema` must be able to give before `push` of this event. */
  needs(event: BinlogEvent): { readonly db: string; readonly table: string } | null;
  /** The rows of the event, without those that the filter leaves out or `resume` skips. */
  push(event: BinlogEvent): Packet[];
  /**
   * Where reading goes on once everything pushed so far is settled. An object that is cheap to
   * make: `JSON.stringify` of it is a `MysqlPosition`.
   */
  position(): { toJSON(): MysqlPosition };
  /** The file and the offset just read up to, and the time of the last event in Unix seconds. */
  progress(): { readonly file: string; readonly pos: number; readonly timestamp: number };
  /** Whether the last event left a transaction open. */
  inTransaction(): boolean;
};

export type CreateRowStream = (options: RowStreamOptions) => RowStream;

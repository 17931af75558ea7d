import { createBinlogDecoder } from "#src/clients/mysql/binlog/decoder.ts";
import { type BinlogEvent, eventsOf } from "#src/clients/mysql/binlog/event.ts";
import { openBinlogFile } from "#src/clients/mysql/binlog/file-reader.ts";
import type { MysqlPosition } from "#src/clients/mysql/binlog/position.ts";
import { createRowStream, type RowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import { noSchema, type SchemaLookup } from "#src/clients/mysql/binlog/schema-lookup.ts";
import { allTables, type TableFilter } from "#src/clients/mysql/binlog/table-filter.ts";
import type { Flavor } from "#src/clients/mysql/flavor.ts";
import type { Packet, RowChange } from "#src/flow/packet.ts";

export type ReadOptions = {
  readonly flavor: Flavor;
  readonly schema?: SchemaLookup;
  readonly filter?: TableFilter;
  readonly resume?: MysqlPosition;
  readonly chunkBytes?: number;
};

/** Every whole event of a file, each in a buffer of its own. */
export async function eventBytes(path: string, chunkBytes?: number): Promise<Buffer[]> {
  const reader = await openBinlogFile(chunkBytes === undefined ? { path } : { path, chunkBytes });
  const events: Buffer[] = [];
  for (;;) {
    const event = reader.read();
    if (event !== undefined) events.push(Buffer.from(event));
    else if ((await reader.fill()) !== "read") break;
  }
  await reader.close();
  return events;
}

/** The event, or those of a payload that is small enough to be unpacked at once. */
export function eventsAtOnce(event: BinlogEvent): Iterable<BinlogEvent> {
  const events = eventsOf(event);
  if (Symbol.iterator in events) return events;
  throw new Error("a payload that is unpacked as a stream");
}

/** All rows of an event. */
export function rowsAtOnce(stream: RowStream, event: BinlogEvent): Packet[] {
  const packets = [...stream.push(event)];
  while (stream.unfinished) packets.push(...stream.more());
  return packets;
}

/** Decodes whole events into packets, as an input does. */
export function packetsOf(events: readonly Uint8Array[], options: ReadOptions): Packet[] {
  const { flavor } = options;
  const decoder = createBinlogDecoder();
  const resume = options.resume ?? null;
  const stream = createRowStream({
    flavor,
    lineage: "test",
    resume: resume ?? { lineage: "test", file: "f", pos: 4, gtid: null, txn: null, rows: 0 },
    filter: options.filter ?? allTables,
    schema: options.schema ?? noSchema,
    eventIdent: "rows",
  });
  const packets: Packet[] = [];
  for (const bytes of events) {
    const event: BinlogEvent = decoder.decode(bytes);
    for (const inner of eventsAtOnce(event)) packets.push(...rowsAtOnce(stream, inner));
  }
  return packets;
}

export function changeOf(packet: Packet): RowChange {
  if (packet.payload.kind !== "row") throw new Error("not a row");
  return packet.payload;
}

export async function readBinlog(path: string, options: ReadOptions): Promise<RowChange[]> {
  const events = await eventBytes(path, options.chunkBytes);
  return packetsOf(events, options).map(changeOf);
}

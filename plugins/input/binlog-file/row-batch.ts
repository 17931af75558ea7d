import type { InputContext, Packet } from "#plugin";
import type { BinlogEvent } from "#src/clients/mysql/binlog/event.ts";
import type { RowStream } from "#src/clients/mysql/binlog/row-stream.ts";

/** Packets of one call; more of them would only let the first wait for the last. */
const batchMax = 1_000;
/** And their bytes: a batch that waits for room is not in the window yet. */
const batchBytesMax = 1 << 20;

/** The rows that were read and not handed over. */
export type RowBatch = {
  /** Takes the rows of an event; a promise when they have to wait, or are too many at once. */
  take(rows: RowStream, event: BinlogEvent): Promise<void> | undefined;
  /** Hands over what there is. */
  emit(): Promise<void>;
};

export function createRowBatch(context: InputContext): RowBatch {
  let batch: Packet[] = [];
  let bytes = 0;

  async function emit(): Promise<void> {
    const full = batch;
    batch = [];
    bytes = 0;
    if (full.length > 0) await context.emitBatch(full);
  }

  function add(packets: readonly Packet[]): Promise<void> | undefined {
    for (const packet of packets) {
      batch.push(packet);
      bytes += packet.bytes;
    }
    return batch.length >= batchMax || bytes >= batchBytesMax ? emit() : undefined;
  }

  /** An event can hold more rows than the bus has room for: they go out while it is read. */
  async function takeRest(rows: RowStream, adding: Promise<void> | undefined): Promise<void> {
    if (adding) await adding;
    while (rows.unfinished) {
      const more = add(rows.more());
      if (more) await more;
    }
  }

  /** And so can a transaction. */
  async function takeAll(
    rows: RowStream,
    events: Iterable<BinlogEvent> | AsyncIterable<BinlogEvent>,
  ): Promise<void> {
    for await (const event of events) await takeRest(rows, add(rows.push(event)));
  }

  return {
    emit,
    take(rows, event) {
      if (event.kind === "transaction_payload") return takeAll(rows, event.events);
      const adding = add(rows.push(event));
      return rows.unfinished ? takeRest(rows, adding) : adding;
    },
  };
}

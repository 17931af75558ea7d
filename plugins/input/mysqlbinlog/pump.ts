import { DbusError, type InputContext, type Packet, type Position } from "#plugin";
import type { BinlogDecoder } from "#src/clients/mysql/binlog/decoder.ts";
import type { BinlogEvent, OversizedEvent, SkippedEvent } from "#src/clients/mysql/binlog/event.ts";
import type { RowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import type { Dump } from "#src/clients/mysql/syncer.ts";

export type Pump = {
  readonly dump: Dump;
  readonly decoder: BinlogDecoder;
  readonly rows: RowStream;
  readonly context: InputContext;
  /** Sees every event before its rows are read, and fetches what they need. */
  before(event: BinlogEvent): Promise<void> | undefined;
  /** Everything up to here is in the hands of the bus; what comes next begins at this position. */
  handedOver(position: Position): void;
  /** Before and after each lot of events; `caughtUp` when the server has no more just now. */
  after(caughtUp: boolean): void;
};

/** Packets of one call; more of them would only let the first wait for the last. */
const batchMax = 1_000;
/** And their bytes: a batch that waits for room is not in the window yet. */
const batchBytesMax = 1 << 20;
/** Others want their turn on this thread, heartbeats and timers among them. */
const turnMs = 10;

/**
 * Moves events from the server into the bus until one of them ends: it throws then, and all rows
 * before the failure are handed over. A batch goes out when it is full or nothing more is there,
 * and nothing is read while the bus has no room.
 */
export async function pump(deps: Pump): Promise<never> {
  const { dump, decoder, rows, context } = deps;
  let batch: Packet[] = [];
  let batchBytes = 0;
  let turnEnds = context.clock.now() + turnMs;

  async function emit(position: Position): Promise<void> {
    const full = batch;
    batch = [];
    batchBytes = 0;
    if (full.length > 0) await context.emitBatch(full);
    deps.handedOver(position);
    if (context.clock.now() < turnEnds) return;
    await new Promise((resolve) => setImmediate(resolve));
    turnEnds = context.clock.now() + turnMs;
  }

  function add(packets: Packet[]): Promise<void> | undefined {
    if (packets.length === 0) return undefined;
    for (const packet of packets) batchBytes += packet.bytes;
    if (batch.length === 0) batch = packets;
    else for (const packet of packets) batch.push(packet);
    return batch.length >= batchMax || batchBytes >= batchBytesMax
      ? emit(rows.position())
      : undefined;
  }

  /** Waits only when it must: a promise for each event would cost more than the event. */
  function push(event: BinlogEvent): Promise<void> | undefined {
    const adding = add(rows.push(event));
    return rows.unfinished ? pushRest(adding) : adding;
  }

  async function pushRest(adding: Promise<void> | undefined): Promise<void> {
    if (adding) await adding;
    while (rows.unfinished) {
      const more = add(rows.more());
      if (more) await more;
    }
  }

  /** A row that is too large to be read: what came before it goes out, then it is written down. */
  async function refuse(event: OversizedEvent): Promise<void> {
    const before = rows.position();
    const pointer = rows.pointer(event);
    await emit(before);
    // Only now may a position be handed over that is behind it.
    if (pointer) context.deadLetter(pointer, tooLarge(event));
  }

  function take(event: BinlogEvent): Promise<void> | undefined {
    if (event.kind === "transaction_payload") return takeEach(event.events);
    if (event.kind === "oversized") return refuse(event);
    const fetching = deps.before(event);
    return fetching ? fetching.then(() => push(event)) : push(event);
  }

  async function takeEach(
    events: Iterable<BinlogEvent> | AsyncIterable<BinlogEvent>,
  ): Promise<void> {
    for await (const event of events) await take(event);
  }

  async function takeAll(events: readonly (Uint8Array | SkippedEvent)[]): Promise<void> {
    for (const bytes of events) {
      const whole = bytes instanceof Uint8Array;
      const taking = take(whole ? decoder.decode(bytes) : decoder.decodeSkipped(bytes));
      if (taking) await taking;
    }
  }

  for (;;) {
    const events = await dump.next();
    // The bus may have no room for them for long, and then we are behind.
    deps.after(false);
    try {
      await takeAll(events);
    } catch (thrown) {
      // How far an event got that failed is not known, but its last row is.
      const last = batch.at(-1);
      if (last) await emit(last.position);
      throw thrown;
    }
    await emit(rows.position());
    if (!rows.inTransaction()) context.idle(rows.position());
    deps.after(dump.idle());
  }
}

function tooLarge({ map, bytes }: OversizedEvent): DbusError {
  const message = `a row of ${map.db}.${map.table} has ${bytes} bytes, more than eventBytesMax`;
  return new DbusError("MYSQL_EVENT_TOO_LARGE", message);
}

import { DbusError, type InputContext, type Json, type Position } from "#plugin";
import { createBinlogDecoder } from "#src/clients/mysql/binlog/decoder.ts";
import type { BinlogEvent } from "#src/clients/mysql/binlog/event.ts";
import {
  lineageAt,
  type MysqlPosition,
  mysqlPositionSchema,
} from "#src/clients/mysql/binlog/position.ts";
import { createRowStream, type RowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import type { SchemaLookup } from "#src/clients/mysql/binlog/schema-lookup.ts";
import type { TableFilter } from "#src/clients/mysql/binlog/table-filter.ts";
import { isNamed } from "#src/clients/mysql/binlog/table-version.ts";
import {
  connectMysql,
  type MysqlConnection,
  type MysqlTarget,
} from "#src/clients/mysql/connection.ts";
import type { Flavor } from "#src/clients/mysql/flavor.ts";
import { granted, preflight } from "#src/clients/mysql/preflight.ts";
import type { SchemaCache } from "#src/clients/mysql/schema.ts";
import type { LogPlace, SchemaHistory } from "#src/clients/mysql/schema-history.ts";
import {
  readBinlogFiles,
  readServerFacts,
  type ServerFacts,
} from "#src/clients/mysql/server-facts.ts";
import {
  afterLoss,
  planStart,
  type StartAt,
  startPosition,
} from "#src/clients/mysql/start-plan.ts";
import { type Dump, type DumpStart, startDump } from "#src/clients/mysql/syncer.ts";
import { every } from "./every.ts";
import { reportLag } from "./lag.ts";
import { pump } from "./pump.ts";

/** What a reader keeps over its connections. */
export type Reader = {
  readonly target: MysqlTarget;
  readonly flavor: "auto" | Flavor;
  readonly serverId: number;
  readonly start: StartAt;
  readonly gtid: "auto" | "on" | "off";
  readonly namesFromBinlog: boolean;
  readonly onPositionLost: "fail" | "earliest" | "latest";
  readonly heartbeatMs: number;
  readonly eventBytesMax: number;
  readonly onEventTooLarge: "fail" | "deadletter";
  readonly filter: TableFilter;
  readonly schema: SchemaCache;
  readonly history: SchemaHistory;
  /** What comes next begins here; null before anything is known. */
  position: Position | null;
  /** Everything up to then was read, in Unix seconds; null before a first connection. */
  upTo: number | null;
  /** Why the server no longer gives what comes next, when it said so while it was asked. */
  lost: string | null;
  /** A piece of the source was skipped since the tables were last looked at. */
  jumped: boolean;
  /** Warnings that were given, each once. */
  readonly warned: Set<string>;
};

/**
 * Reads over one connection until it ends, by throwing. `onStreaming` is called when the server
 * has agreed to stream. Beside the stream there is a second connection, for questions.
 */
export async function readOnce(
  reader: Reader,
  context: InputContext,
  onStreaming: () => void,
): Promise<never> {
  const { clock, signal } = context;
  const questions = await connectMysql(reader.target, clock, signal);
  let dump: Dump | undefined;
  const end = () => dump?.close();
  signal.addEventListener("abort", end, { once: true });
  try {
    const found = await check(reader, context, questions);
    const start = await whereToStart(reader, context, questions, found);
    const facts = { ...found, lineage: lineageAt(placed(reader), found.lineage) };
    reader.schema.begin(placeOf(reader.position, facts), facts.flavor, reader.jumped);
    reader.jumped = false;
    if (mayAsk(reader, facts)) await reader.schema.prefetch(questions, reader.filter);
    const connection = await connectMysql(reader.target, clock, signal);
    const { serverId, heartbeatMs, eventBytesMax } = reader;
    const { flavor } = facts;
    const onEventTooLarge = passesOver(reader, facts) ? "skip" : "fail";
    const request = {
      flavor,
      serverId,
      start,
      heartbeatMs,
      eventBytesMax,
      onEventTooLarge,
    } as const;
    dump = await granted(facts, () => startDump(connection, request, clock));
    if (signal.aborted) dump.close();
    onStreaming();
    return await stream(reader, context, questions, facts, dump);
  } finally {
    signal.removeEventListener("abort", end);
    dump?.close();
    questions.close();
  }
}

/** MariaDB has types that no metadata tells. */
function mayAsk({ namesFromBinlog }: Reader, { rowMetadata, flavor }: ServerFacts): boolean {
  return rowMetadata !== "FULL" || (flavor === "mariadb" && !namesFromBinlog);
}

async function check(
  reader: Reader,
  context: InputContext,
  questions: MysqlConnection,
): Promise<ServerFacts> {
  const facts = await readServerFacts(questions, reader.flavor);
  const { serverId: readerServerId, gtid, namesFromBinlog, filter: tables } = reader;
  const wanted = { readerServerId, gtid, namesFromBinlog, tables };
  const { warnings } = await preflight(questions, facts, wanted);
  if (reader.target.tls === "require") {
    warnings.push("tls: require believes any certificate; verify-ca or verify-full does not");
  }
  if (reader.onEventTooLarge === "deadletter" && !passesOver(reader, facts)) {
    warnings.push(
      "an event above eventBytesMax stops the input: with binlog_row_event_max_size " +
        `${facts.rowEventBytesMax} it may hold several rows, and nobody could say which`,
    );
  }
  for (const warning of warnings) {
    if (reader.warned.has(warning)) continue;
    reader.warned.add(warning);
    context.log.warn(warning, { server: questions.where });
  }
  return facts;
}

/** A server puts several rows only into events up to that size: what is larger is one row. */
function passesOver({ onEventTooLarge, eventBytesMax }: Reader, facts: ServerFacts): boolean {
  return onEventTooLarge === "deadletter" && facts.rowEventBytesMax <= eventBytesMax;
}

/** The position to ask for, after the policy for one that the server no longer has. */
async function whereToStart(
  reader: Reader,
  context: InputContext,
  questions: MysqlConnection,
  facts: ServerFacts,
): Promise<DumpStart> {
  if (reader.position === null) {
    const begins = await startPosition(questions, facts, reader.start);
    await context.begin({ 0: begins });
    reader.position = begins;
  }
  const wanted = positionOf(reader.position);
  const plan = await planStart(questions, facts, wanted, reader.gtid, context.clock);
  const reason = plan.kind === "lost" ? plan.reason : reader.lost;
  if (reason === null && plan.kind === "dump") return plan.start;
  const next = plan.kind === "lost" ? plan.next : undefined;
  return await heal(reader, context, questions, facts, wanted, { reason: reason ?? "", next });
}

/** Goes on elsewhere, as the config says, after the gap is written down. */
async function heal(
  reader: Reader,
  context: InputContext,
  questions: MysqlConnection,
  facts: ServerFacts,
  wanted: MysqlPosition,
  { reason, next }: { readonly reason: string; readonly next: MysqlPosition | undefined },
): Promise<DumpStart> {
  if (reader.onPositionLost === "fail") {
    throw new DbusError("POSITION_LOST", `${questions.where}: ${reason}`);
  }
  const earliest = reader.onPositionLost === "earliest" ? next : undefined;
  const place = earliest ?? (await startPosition(questions, facts, reader.onPositionLost));
  const to = afterLoss(wanted, place);
  await context.gap({ from: wanted as Json, to: to as Json, reason });
  reader.position = to;
  reader.lost = null;
  reader.jumped = true;
  context.idle(to);
  const plan = await planStart(questions, facts, to, reader.gtid, context.clock);
  if (plan.kind === "dump") return plan.start;
  throw new DbusError("MYSQL_DUMP_REFUSED", `${questions.where}: ${plan.reason}`);
}

/** File and offset of a position mean something only on the server that they come from. */
function placeOf(position: Position | null, facts: ServerFacts): LogPlace {
  const { lineage } = facts;
  const at = position === null ? undefined : positionOf(position);
  if (!at || (at.lineage !== "" && at.lineage !== lineage)) return { lineage, file: "", pos: 0 };
  return { lineage, file: at.file, pos: at.pos };
}

function placed({ position }: Reader): MysqlPosition | undefined {
  return position === null ? undefined : positionOf(position);
}

function positionOf(position: Position): MysqlPosition {
  return mysqlPositionSchema.parse(JSON.parse(JSON.stringify(position)));
}

async function stream(
  reader: Reader,
  context: InputContext,
  questions: MysqlConnection,
  facts: ServerFacts,
  dump: Dump,
): Promise<never> {
  const { flavor, lineage } = facts;
  const rows = createRowStream({
    ...{ flavor, lineage, filter: reader.filter, schema: lookupOf(reader) },
    resume: reader.position === null ? null : positionOf(reader.position),
    eventIdent: context.ident,
  });
  const asking = createAsking(reader, context, questions);
  const saving = every(context.clock, historyEveryMs, () => {
    reader.history.reached(hereOf(rows, lineage));
    // What fails now fails again at the next statement, which waits for it.
    reader.history.save().catch(() => {});
  });
  const lag = reportLag(context, rows, async () => readBinlogFiles(await asking.connection()));
  try {
    return await pump({
      ...{ dump, rows, context },
      decoder: createBinlogDecoder({
        eventBytesMax: reader.eventBytesMax,
        checksum: dump.checksum,
        onEventTooLarge: passesOver(reader, facts) ? "skip" : "fail",
      }),
      before: (event) => beforeRows(reader, rows, event, lineage, asking.connection),
      handedOver: (position) => {
        reader.position = position;
      },
      after: lag.caughtUp,
    });
  } finally {
    reader.upTo = lag.stop();
    saving.cancel();
    reader.history.reached(hereOf(rows, lineage));
    // Without it less is known next time; what ended the stream is what counts.
    await reader.history.save().catch(() => {});
    asking.close();
  }
}

const historyEveryMs = 1_000;

function hereOf(rows: RowStream, lineage: string): LogPlace {
  const { file, pos } = rows.progress();
  return { lineage, file, pos };
}

/** With `schema: binlog` nobody is asked about what is in the binlog. */
function lookupOf({ namesFromBinlog, schema: { lookup } }: Reader): SchemaLookup {
  if (!namesFromBinlog) return lookup;
  return (db, table, id, map) => (isNamed(map) ? undefined : lookup(db, table, id, map));
}

function beforeRows(
  reader: Reader,
  rows: RowStream,
  event: BinlogEvent,
  lineage: string,
  connection: () => Promise<MysqlConnection>,
): Promise<void> | undefined {
  if (event.kind === "query") {
    const { db, sql, header } = event;
    const { file, pos } = rows.progress();
    // One byte behind the place from which the statement would be read once more.
    const place = { lineage, file, pos: pos + 1 };
    return reader.schema.statement({ db, sql, timestamp: header.timestamp, place });
  }
  const needed = rows.needs(event);
  if (needed === null || (needed.named && reader.namesFromBinlog)) return undefined;
  const { file, pos } = rows.position().toJSON();
  const { timestamp } = event.header;
  const load = async () => {
    const version = { ...needed, timestamp, place: { lineage, file, pos } };
    await reader.schema.load(await connection(), version);
  };
  return load();
}

/** The connection for questions, made anew when the server has closed it for its idleness. */
function createAsking(reader: Reader, context: InputContext, first: MysqlConnection) {
  let current = first;
  return {
    async connection(): Promise<MysqlConnection> {
      if (!current.open) current = await connectMysql(reader.target, context.clock, context.signal);
      return current;
    },
    close: () => current.close(),
  };
}

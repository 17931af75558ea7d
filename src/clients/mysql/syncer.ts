import { hostname } from "node:os";
import type { Clock } from "../../clock.ts";
import { DbusError } from "../../errors.ts";
import type { ChecksumAlgorithm, SkippedEvent } from "./binlog/event.ts";
import type { MysqlConnection } from "./connection.ts";
import { dumpCommand, gtidDumpCommand, registerCommand } from "./dump-command.ts";
import { dumpError } from "./dump-error.ts";
import type { Flavor } from "./flavor.ts";
import { eofHead, errHead, okHead, readServerError } from "./reply.ts";
import type { Message, SkippedMessage } from "./skipped-message.ts";
import { createWire, type Wire } from "./wire.ts";

/** Where a server is asked to begin: at an offset of a file, or after a set of transactions. */
export type DumpStart =
  | { readonly by: "file"; readonly file: string; readonly pos: number }
  | { readonly by: "gtid"; readonly set: string };

export type DumpOptions = {
  readonly flavor: Flavor;
  /** What we register as: two readers with one id end one another. */
  readonly serverId: number;
  readonly start: DumpStart;
  /** A server with nothing to send says so this often; three missed and it counts as dead. */
  readonly heartbeatMs: number;
  /** No event may be longer. */
  readonly eventBytesMax: number;
  /** Whether a longer one ends the stream, or is let go of as it comes; the default is `fail`. */
  readonly onEventTooLarge?: "fail" | "skip";
  /** The server is not read while so many bytes wait for the consumer; the default is 4 MiB. */
  readonly bufferBytesMax?: number;
};

export type Dump = {
  /** What the server puts behind its events, except those of files written without. */
  readonly checksum: ChecksumAlgorithm;
  /**
   * The events that have arrived, whole and in order, header to checksum; waits for the first.
   * Views on the socket's chunks: copy what is kept. Throws what ends the stream, after the last
   * event before it: a position that is gone is POSITION_LOST, a second reader with our server id
   * MYSQL_SERVER_ID_CLASH, the rest as `wire.ts` and `dump-error.ts` say.
   */
  next(): Promise<(Uint8Array | SkippedEvent)[]>;
  /** Whether `next` would have to wait for the server. */
  idle(): boolean;
  close(): void;
};

const missedMax = 3;

/**
 * Registers as a replica on an authenticated connection and asks for the binlog. Takes the
 * connection over, also when it throws. Raises MYSQL_GRANT when replication is not allowed.
 */
export async function startDump(
  connection: MysqlConnection,
  options: DumpOptions,
  clock: Clock,
): Promise<Dump> {
  let checksum: ChecksumAlgorithm;
  try {
    checksum = await setUpSession(connection, options);
  } catch (thrown) {
    connection.close();
    throw thrown;
  }
  const { where } = connection;
  const wire = createWire(connection.takeSocket(), {
    ...{ where, clock },
    // One byte of the protocol stands before each event.
    messageBytesMax: options.eventBytesMax + 1,
    skipLonger: options.onEventTooLarge === "skip",
    bufferBytesMax: options.bufferBytesMax ?? 4 * 2 ** 20,
    silentMs: options.heartbeatMs * missedMax + 500,
  });
  try {
    wire.send(registerCommand(options.serverId, hostname()));
    await registered(wire, where);
    wire.send(startCommand(options), eventMessageSize);
  } catch (thrown) {
    wire.close();
    throw thrown;
  }
  return dump(wire, where, checksum, options.serverId);
}

/** Of two readers with one id the server keeps the one that came last: say which one this is. */
function yielded(error: DbusError, where: string, serverId: number): DbusError {
  if (error.code !== "MYSQL_SERVER_ID_CLASH") return error;
  const message = `${where}: another reader came with serverId ${serverId}, so this one yields`;
  const said = error.message.replace(`${where}: `, "");
  return new DbusError(error.code, `${message} (${said})`, { cause: error });
}

/** The byte of the protocol and what the header of the event behind it says. */
function eventMessageSize(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] !== okHead) return undefined;
  const low = bytes[at + 10]! | (bytes[at + 11]! << 8) | (bytes[at + 12]! << 16);
  return 1 + low + bytes[at + 13]! * 2 ** 24;
}

/** The names with `source` are those since MySQL 8.0.26; each server reads the one it knows. */
async function setUpSession(
  connection: MysqlConnection,
  options: DumpOptions,
): Promise<ChecksumAlgorithm> {
  const nanoseconds = Math.round(options.heartbeatMs) * 1_000_000;
  const uuid = replicaUuid(options.serverId);
  await connection.query(
    `SET @master_heartbeat_period = ${nanoseconds}, @source_heartbeat_period = ${nanoseconds},
      @master_binlog_checksum = @@GLOBAL.binlog_checksum,
      @source_binlog_checksum = @@GLOBAL.binlog_checksum,
      @slave_uuid = '${uuid}', @replica_uuid = '${uuid}'`,
  );
  const checksum = await sessionChecksum(connection);
  if (options.flavor !== "mariadb") return checksum;
  // 4: it understands GTID events, so none is rewritten for an old replica.
  await connection.query("SET @mariadb_slave_capability = 4");
  if (options.start.by !== "gtid") return checksum;
  await connection.query("SET @slave_connect_state = ?", [options.start.set]);
  await connection.query("SET @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0");
  return checksum;
}

/** Asked for afterwards, since it may be changed on the server at any time. */
async function sessionChecksum(connection: MysqlConnection): Promise<ChecksumAlgorithm> {
  const [row] = await connection.query("SELECT @master_binlog_checksum AS algorithm");
  const algorithm = String(row?.algorithm).toUpperCase();
  if (algorithm === "CRC32") return "crc32";
  if (algorithm === "NONE") return "none";
  const message = `${connection.where}: binlog_checksum is ${JSON.stringify(algorithm)}`;
  throw new DbusError("MYSQL_PROTOCOL", message);
}

/**
 * MySQL ends an older stream of the same uuid when a new one comes, which is how our own half-open
 * stream goes away. Made from the server id, so that two readers with one id notice each other.
 */
function replicaUuid(serverId: number): string {
  return `64627573-0000-4000-8000-${serverId.toString(16).padStart(12, "0")}`;
}

async function registered(wire: Wire, where: string): Promise<void> {
  const [first] = await wire.read();
  const answer = first && bytesOf(first);
  if (answer?.[0] === okHead) return;
  const error = answer?.[0] === errHead ? readServerError(answer) : undefined;
  const accessDenied = 1045;
  if (error?.errno === accessDenied)
    throw new DbusError("MYSQL_GRANT", `${where}: ${error.message}`);
  if (error) throw dumpError(error, where);
  throw new DbusError("MYSQL_PROTOCOL", `${where}: no answer to COM_REGISTER_SLAVE`);
}

function startCommand(options: DumpOptions): Uint8Array {
  const { start, serverId } = options;
  if (start.by === "file") return dumpCommand(serverId, start.file, start.pos);
  // MariaDB has the state from @slave_connect_state and goes by it when no file is named.
  if (options.flavor === "mariadb") return dumpCommand(serverId, "", 4);
  return gtidDumpCommand(serverId, start.set);
}

function dump(wire: Wire, where: string, checksum: ChecksumAlgorithm, serverId: number): Dump {
  let ended: DbusError | undefined;

  function endOf(message: Uint8Array): DbusError {
    const head = message[0];
    // With a session set up an error has its SQL state: else it is an event whose head is wrong.
    if (head === errHead && message[3] === 0x23) {
      return yielded(dumpError(readServerError(message), where), where, serverId);
    }
    if (head === eofHead && message.length < 9) {
      return new DbusError("MYSQL_UNREACHABLE", `${where}: the server ended the binlog stream`);
    }
    return new DbusError("MYSQL_PROTOCOL", `${where}: a message begins with ${head}`);
  }

  return {
    checksum,
    async next() {
      if (ended) throw ended;
      const events: (Uint8Array | SkippedEvent)[] = [];
      for (const message of await wire.read()) {
        const bytes = bytesOf(message);
        if (bytes[0] !== okHead) {
          ended = endOf(bytes);
          wire.close();
          break;
        }
        events.push(message instanceof Uint8Array ? bytes.subarray(1) : skippedEvent(message));
      }
      if (events.length === 0) throw ended;
      return events;
    },
    idle: () => wire.idle(),
    close: () => wire.close(),
  };
}

function bytesOf(message: Message): Uint8Array {
  return message instanceof Uint8Array ? message : message.head;
}

/** Without the byte of the protocol. */
function skippedEvent({ head, length, crc }: SkippedMessage): SkippedEvent {
  return { head: head.subarray(1), size: length - 1, crc };
}

import type { Duplex } from "node:stream";
import type { Clock } from "../../clock.ts";
import { DbusError } from "../../errors.ts";
import { mysqlError } from "./mysql-error.ts";
import { createPacketReader, type PacketReader, type PacketReaderOptions } from "./packets.ts";
import type { Message } from "./skipped-message.ts";

export type WireOptions = {
  /** `host:port`, for messages. */
  readonly where: string;
  readonly clock: Clock;
  /** No message may be longer. */
  readonly messageBytesMax: number;
  /** A longer one is let go of as it comes, and only its head handed out. */
  readonly skipLonger?: boolean;
  /**
   * The socket is paused while so many bytes wait to be read; about one chunk may be more, or the
   * one message that is larger. It stays paused while somebody works on more than twice that, so
   * that there is never a second large message.
   */
  readonly bufferBytesMax: number;
  /** So long without a byte, while we read, is a dead peer. */
  readonly silentMs: number;
};

/** An authenticated socket, taken over from the driver: commands out, messages in. */
export type Wire = {
  /**
   * Sends a command; what is read from now on is its answer, whose messages may tell their size as
   * `packets.ts` says. Call it with nothing left to read.
   */
  send(command: Uint8Array, sizeOf?: PacketReaderOptions["sizeOf"]): void;
  /**
   * Everything that has arrived, at least one message; waits for it. Throws MYSQL_UNREACHABLE,
   * MYSQL_SILENT, MYSQL_PROTOCOL, MYSQL_EVENT_TOO_LARGE, BINLOG_CORRUPT once all before that is
   * read.
   */
  read(): Promise<Message[]>;
  /** Whether `read` would have to wait. */
  idle(): boolean;
  /** Ends it at once; `read` throws then. Safe to call twice. */
  close(): void;
};

export function createWire(socket: Duplex, options: WireOptions): Wire {
  const { where, clock } = options;
  let reader: PacketReader = createReader();
  let arrived: Message[] = [];
  let arrivedBytes = 0;
  let paused = false;
  let failure: DbusError | undefined;
  let wake: (() => void) | undefined;
  let lastHeard = clock.now();
  let watchdog = clock.after(options.silentMs, watch);

  function createReader(sizeOf?: PacketReaderOptions["sizeOf"]): PacketReader {
    const { messageBytesMax: bytesMax, skipLonger = false } = options;
    return createPacketReader({ bytesMax, skipLonger, sequence: 1, ...(sizeOf ? { sizeOf } : {}) });
  }

  function fail(error: DbusError) {
    failure ??= error;
    watchdog.cancel();
    socket.destroy();
    wake?.();
  }

  function lost(cause?: unknown) {
    const ended = { code: "PROTOCOL_CONNECTION_LOST", message: "the server closed the connection" };
    fail(mysqlError(cause ?? ended, where, "reading the binlog"));
  }

  /** A paused socket cannot be heard: then the silence is ours. */
  function watch() {
    const silence = paused ? 0 : clock.now() - lastHeard;
    if (silence < options.silentMs) {
      watchdog = clock.after(options.silentMs - silence, watch);
      return;
    }
    const message = `${where}: neither events nor heartbeats for ${Math.round(silence)} ms`;
    fail(new DbusError("MYSQL_SILENT", message));
  }

  function onData(chunk: Uint8Array) {
    if (failure) return;
    lastHeard = clock.now();
    try {
      reader.push(chunk, arrived);
    } catch (thrown) {
      return fail(mysqlError(thrown, where, "reading the binlog"));
    }
    arrivedBytes += chunk.length;
    if (arrivedBytes >= options.bufferBytesMax && arrived.length > 0) {
      paused = true;
      socket.pause();
    }
    if (arrived.length > 0) wake?.();
  }

  function take(): Message[] {
    const messages = arrived;
    if (arrivedBytes <= options.bufferBytesMax * 2) resume();
    arrived = [];
    arrivedBytes = 0;
    return messages;
  }

  function resume() {
    if (!paused || failure) return;
    paused = false;
    lastHeard = clock.now();
    socket.resume();
  }

  socket.on("data", onData);
  socket.on("error", lost);
  socket.on("end", () => lost());
  socket.on("close", () => lost());
  socket.resume();

  return {
    send(command, sizeOf) {
      reader = createReader(sizeOf);
      lastHeard = clock.now();
      const header = Buffer.alloc(4);
      header.writeUIntLE(command.length, 0, 3);
      socket.write(Buffer.concat([header, command]));
    },
    async read() {
      if (arrived.length === 0) resume();
      while (arrived.length === 0) {
        if (failure) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
      return take();
    },
    idle: () => arrived.length === 0 && !paused,
    close() {
      fail(new DbusError("MYSQL_UNREACHABLE", `${where}: the stream was closed`));
    },
  };
}

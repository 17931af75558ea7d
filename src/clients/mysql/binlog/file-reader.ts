import { type FileHandle, open } from "node:fs/promises";
import { DbusError } from "#src/errors.ts";
import { uint32 } from "./bytes.ts";
import { eventType } from "./event-type.ts";

export type FileReaderOptions = {
  readonly path: string;
  /** Bytes asked for at a time; the default is 256 KiB. A larger event gets a larger buffer. */
  readonly chunkBytes?: number;
  /** The most that one event may have, in bytes; the default is 1 GiB, the server's own limit. */
  readonly eventBytesMax?: number;
};

/**
 * Reads a binlog file as whole events, in memory that does not grow with the file:
 *
 *     for (;;) {
 *       const event = reader.read();
 *       if (event) use it; else if ((await reader.fill()) !== "read") break;
 *     }
 */
export type BinlogFileReader = {
  /**
   * The next event if it is in memory, header to checksum; valid until the next `fill`. Throws
   * BINLOG_CORRUPT, MYSQL_EVENT_TOO_LARGE, BINLOG_EVENT_UNSUPPORTED for an encrypted file.
   */
  read(): Buffer | undefined;
  /**
   * Reads on until there is a whole event. `end`: the file ends here for now, behind an event;
   * `partial`: it ends in the midst of one, which is being written or was cut off by a crash. Both
   * can be asked again. Throws BINLOG_FILE.
   */
  fill(): Promise<"read" | "end" | "partial">;
  /** Offset of the next event, in bytes. */
  pos(): number;
  /** Goes on from another offset, which must be that of an event. */
  jump(pos: number): void;
  close(): Promise<void>;
};

const magic = Buffer.from([0xfe, 0x62, 0x69, 0x6e]);
const encryptedMagic = Buffer.from([0xfd, 0x62, 0x69, 0x6e]);
const headerBytes = 19;

/** Throws BINLOG_FILE. */
export async function openBinlogFile(options: FileReaderOptions): Promise<BinlogFileReader> {
  const file = await reading(options.path, () => open(options.path, "r"));
  return binlogFileReader(file, options);
}

function binlogFileReader(file: FileHandle, options: FileReaderOptions): BinlogFileReader {
  const { path } = options;
  const chunk = Math.max(64, options.chunkBytes ?? 256 * 1024);
  const bytesMax = options.eventBytesMax ?? 1024 * 1024 * 1024;
  let buffer = Buffer.allocUnsafe(chunk);
  let start = 0;
  let end = 0;
  /** Offset in the file of `buffer[start]`. */
  let pos = 0;

  /** How many bytes there must be for the next step. */
  function wanted(): number {
    if (pos === 0) return magic.length;
    return end - start < headerBytes ? headerBytes : uint32(buffer, start + 9);
  }

  function read(): Buffer | undefined {
    if (pos === 0) {
      if (end - start < magic.length) return undefined;
      checkMagic(buffer.subarray(start, start + magic.length), path);
      skip(magic.length);
    }
    if (end - start < headerBytes) return undefined;
    const size = uint32(buffer, start + 9);
    if (size < headerBytes) throw corruptFile(path, pos, "an event is smaller than its header");
    if (size > bytesMax) throw tooLarge(path, pos, size, bytesMax);
    if (end - start < size) return undefined;
    const event = buffer.subarray(start, start + size);
    if (event[4] === eventType.startEncryption) throw encrypted(path);
    skip(size);
    return event;
  }

  function skip(count: number): void {
    start += count;
    pos += count;
  }

  async function fill(): Promise<"read" | "end" | "partial"> {
    const need = wanted();
    // A size is believed only as far as the file has so many bytes: else nothing is allocated.
    if (need > chunk && pos + need > (await sizeOf())) return atEnd(await sizeOf());
    makeRoom(need);
    while (end - start < need) {
      const at = pos + end - start;
      const { bytesRead } = await reading(path, () =>
        file.read(buffer, end, buffer.length - end, at),
      );
      if (bytesRead === 0) return atEnd(await sizeOf());
      end += bytesRead;
    }
    return "read";
  }

  async function sizeOf(): Promise<number> {
    return (await reading(path, () => file.stat())).size;
  }

  /** What is left goes to the front, so that as much as possible is read at once. */
  function makeRoom(need: number): void {
    // One large event must not hold its buffer for the rest of the file.
    const fits = need <= buffer.length && (buffer.length === chunk || need > chunk);
    const next = fits ? buffer : Buffer.allocUnsafe(Math.max(need, chunk));
    buffer.copy(next, 0, start, end);
    buffer = next;
    end -= start;
    start = 0;
  }

  function atEnd(size: number): "end" | "partial" {
    if (size < pos + end - start) throw corruptFile(path, size, "the file has become shorter");
    if (size === pos) return "end";
    const known = end - start >= headerBytes && pos > 0;
    // Each event says where it ends: a wrong size is told from a missing tail by that.
    if (known && uint32(buffer, start + 13) !== (pos + uint32(buffer, start + 9)) % 2 ** 32) {
      throw corruptFile(path, pos, "the size of an event does not fit its place");
    }
    return "partial";
  }

  return {
    read,
    fill,
    pos: () => Math.max(pos, magic.length),
    jump(to) {
      start = 0;
      end = 0;
      pos = to;
    },
    close: () => file.close(),
  };
}

async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new DbusError("BINLOG_FILE", `${path}: ${why}`, { cause, place: { file: path } });
  }
}

function checkMagic(head: Buffer, path: string): void {
  if (head.equals(magic)) return;
  if (head.equals(encryptedMagic)) throw encrypted(path);
  throw corruptFile(path, 0, "it does not begin as a binlog does");
}

function corruptFile(path: string, pos: number, what: string): DbusError {
  const place = { file: path, path: `${pos}` };
  return new DbusError("BINLOG_CORRUPT", `${path}:${pos}: ${what}`, { place });
}

function tooLarge(path: string, pos: number, size: number, bytesMax: number): DbusError {
  const message = `${path}:${pos}: an event has ${size} bytes, more than ${bytesMax}`;
  return new DbusError("MYSQL_EVENT_TOO_LARGE", message, { place: { file: path, path: `${pos}` } });
}

function encrypted(path: string): DbusError {
  return new DbusError("BINLOG_EVENT_UNSUPPORTED", `${path} is encrypted`, {
    place: { file: path },
    remedy: "read it from the server, which decrypts it, with MysqlbinlogInput",
  });
}

import { join } from "node:path";
import { DbusError } from "#plugin";
import type { Sink } from "./sink.ts";

/** A file for each ident in one folder; those that were not written for longest are closed. */
export type SinkFolder = {
  /** Opens it where it is not open. Throws what opening throws. */
  of(ident: string): Promise<Sink>;
  close(): Promise<void>;
};

/** Of idents that are written in turn; a file that was closed is opened again and appended to. */
const openMax = 100;
const nameBytesMax = 200;

/**
 * The name of an ident's file. Letters, digits, `.`, `_` and `-` stand for themselves, everything
 * else is percent-encoded, and so is a dot at the beginning: no ident leaves its folder, and no two
 * have one file (on file systems that tell upper from lower case).
 */
export function fileNameOf(ident: string): string {
  const encode = (bytes: string) =>
    [...Buffer.from(bytes)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
  const name = ident.replace(/[^a-zA-Z0-9._-]+|^\./gu, encode);
  if (name.length <= nameBytesMax && name !== "") return `${name}.ndjson`;
  throw new DbusError("FORMAT_VALUE", `an ident of ${ident.length} characters names no file`);
}

export function createSinkFolder(
  folder: string,
  openSink: (path: string) => Promise<Sink>,
): SinkFolder {
  const sinks = new Map<string, Sink>();
  /** What opens when all are closed would stay open, and no other could write to its file. */
  let closed = false;
  const mustBeOpen = () => {
    if (closed) throw new DbusError("STREAM_UNWRITABLE", `${folder}: closed`);
  };
  return {
    async of(ident) {
      const known = sinks.get(ident);
      if (known) {
        // The last in the order of the map is the one that was used last.
        sinks.delete(ident);
        sinks.set(ident, known);
        return known;
      }
      mustBeOpen();
      const path = join(folder, fileNameOf(ident));
      for (const [oldest, sink] of sinks) {
        if (sinks.size < openMax) break;
        sinks.delete(oldest);
        await sink.close();
      }
      const sink = await openSink(path);
      if (closed) await sink.close();
      mustBeOpen();
      sinks.set(ident, sink);
      return sink;
    },
    async close() {
      closed = true;
      for (const sink of sinks.values()) await sink.close();
      sinks.clear();
    },
  };
}

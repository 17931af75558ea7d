import { isUtf8 } from "node:buffer";
import {
  DbusError,
  type ErrorCode,
  type Headers,
  type InputContext,
  type Packet,
  type Payload,
  type Position,
} from "#plugin";
import { isJson } from "#src/format/is-json.ts";
import type { RawLine } from "./line-splitter.ts";
import type { StreamInputConfig } from "./stream-input-config.ts";

/** The position behind a line; behind a part of one it is still the one before the line. */
export type PositionOf = (line: RawLine) => Position;

/** Turns lines into packets and hands them over, waiting while there is no credit. */
export type LineReader = {
  /**
   * Resolves when all of them are handed over. `positionOf` is asked for each line in turn. Throws
   * what `onInvalid: fail` finds.
   */
  take(lines: readonly RawLine[], positionOf: PositionOf): Promise<void>;
  /** The same for a last line without its end; `torn` when the stream broke off there. */
  last(line: RawLine, torn: boolean, positionOf: PositionOf): Promise<void>;
};

const BATCH = 1024;
const BATCH_BYTES = 1 << 20;

export function createLineReader(config: StreamInputConfig, context: InputContext): LineReader {
  const { lines: mode, onInvalid } = config;
  const { ident } = context;
  const invalidIdent = config.invalidIdent ?? ident;
  /** The first of each kind is in the log; each has its code in a header. */
  const told = new Set<ErrorCode>();
  let count = 0;

  function invalid(code: ErrorCode, line: RawLine): Payload {
    if (onInvalid === "fail" || !told.has(code)) {
      const error = new DbusError(
        code,
        `${context.name}: line ${count + 1} since it began to read`,
      );
      if (onInvalid === "fail") throw error;
      told.add(code);
      context.log.warn("a line goes on as bytes, as it is; more of its kind are not told", {
        error,
      });
    }
    const part = `${line.part}${line.last ? " last" : ""}`;
    const headers: Headers =
      line.part > 0
        ? [
            ["dbus-error", code],
            ["dbus-part", part],
          ]
        : [["dbus-error", code]];
    const value = Uint8Array.from(line.bytes);
    return { kind: "bytes", key: null, value, headers, timestamp: undefined };
  }

  function payloadOf(line: RawLine, torn: boolean): Payload | null {
    if (line.part > 0) return invalid("STREAM_LINE_TOO_LONG", line);
    if (torn) return invalid("STREAM_LINE_TORN", line);
    const { bytes } = line;
    if (!isUtf8(bytes)) return invalid("STREAM_TEXT_INVALID", line);
    const text = bytes.toString();
    if (mode === "text") return { kind: "text", text };
    if (text.trim() === "") return null;
    return isJson(text) ? { kind: "document", json: text } : invalid("STREAM_JSON_INVALID", line);
  }

  async function hand(
    lines: readonly RawLine[],
    torn: boolean,
    positionOf: PositionOf,
  ): Promise<void> {
    let batch: Packet[] = [];
    let bytes = 0;
    for (const line of lines) {
      const payload = payloadOf(line, torn);
      if (line.last) count++;
      const position = positionOf(line);
      if (payload === null) continue;
      const packet = {
        ident: payload.kind === "bytes" ? invalidIdent : ident,
        payload,
        position,
        bytes: Math.max(1, line.bytes.length),
      };
      batch.push(packet);
      bytes += packet.bytes;
      if (batch.length < BATCH && bytes < BATCH_BYTES) continue;
      await context.emitBatch(batch);
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0) await context.emitBatch(batch);
  }

  return {
    take: (lines, positionOf) => hand(lines, false, positionOf),
    last: (line, torn, positionOf) => hand([line], torn, positionOf),
  };
}

import type { BinlogEvent, EventHeader } from "./event.ts";
import { eventFlag, eventType as t } from "./event-type.ts";

/** Where an event lies in its file, in bytes that do not wrap at 2^32. */
export type Span = { readonly start: number; readonly end: number };

/** Follows the file and the offset through the events, artificial ones included. */
export type LogCursor = {
  file(): string;
  /** The end of the last event that was passed. */
  pos(): number;
  /** Where the event lies; an artificial one lies nowhere, that is here. */
  span(header: EventHeader): Span;
  /** Goes behind the event. */
  pass(event: BinlogEvent, span: Span): void;
};

const wrap = 4_294_967_296;

/** What every file begins with, and a stream may too although it goes on further behind. */
const headEvents = new Set<number>([
  ...[t.formatDescription, t.previousGtids, t.gtidList, t.binlogCheckpoint, t.startEncryption],
]);

/**
 * `known` tells that the start is a place on this very server. A stream by GTID begins with the
 * head of a file all the same, and does not send what stands before the place: it is no step back.
 * But MySQL says where its file ends before the transactions there are in the set that it tells of:
 * a stream that begins at such a moment sends them, from before the place.
 */
export function createLogCursor(startFile: string, startPos: number, known = true): LogCursor {
  let file = startFile;
  let pos = startPos;
  /** Nothing from before it is sent, as far as is known. */
  let floor = known ? startPos : 0;

  function reached(): number {
    return file === startFile ? Math.max(pos, floor) : pos;
  }

  /**
   * The header has the lower 32 bits of the end. A gap before the event is what the server passed
   * over because its GTIDs were known; a step back is not believed.
   */
  function span(header: EventHeader): Span {
    if (header.logPos === 0 || (header.flags & eventFlag.artificial) !== 0) {
      return { start: reached(), end: reached() };
    }
    const next = (headEvents.has(header.type) ? pos : reached()) + header.size;
    const gap = (((header.logPos - next) % wrap) + wrap) % wrap;
    const behind = next + gap - wrap;
    const isBefore = pos < reached() && behind - header.size >= pos;
    const end = gap < wrap / 2 ? next + gap : isBefore ? behind : next;
    return { start: end - header.size, end };
  }

  function pass(event: BinlogEvent, at: Span): void {
    switch (event.kind) {
      case "rotate":
        file = event.file;
        pos = Number(event.pos);
        return;
      case "heartbeat":
        if (event.file === file && event.pos > BigInt(pos)) pos = Number(event.pos);
        return;
      case "format_description":
        // At the head of a stream that begins in the midst of a file it is sent out of turn.
        if (pos <= 4) pos = at.end;
        return;
      default:
        if (at.end < reached() && !headEvents.has(event.header.type)) floor = 0;
        pos = at.end;
    }
  }

  return { file: () => file, pos: reached, span, pass };
}

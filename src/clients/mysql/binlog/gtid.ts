import { DbusError } from "#src/errors.ts";
import { type Cursor, corrupt, take, uint64 } from "./bytes.ts";
import type { MysqlGtid } from "./event.ts";

/** First and last transaction number, both included. */
type Interval = readonly [first: bigint, last: bigint];

/**
 * A set of MySQL GTIDs. Immutable: a new one shares with the old one all that is the same, so a
 * position can keep the set that was valid before its transaction.
 */
export type GtidSet = {
  /** Keyed by `uuid`, or `uuid:tag` (MySQL 8.3); intervals sorted, apart and never empty. */
  readonly sources: ReadonlyMap<string, readonly Interval[]>;
};

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const tagPattern = /^[a-z_][a-z0-9_]{0,31}$/;
const intervalPattern = /^(\d+)(?:-(\d+))?$/;
const gnoMax = 2n ** 63n - 1n;

/**
 * Parses `uuid:1-5:7:tag:1-3, uuid:9` in any case, with spaces and line ends. Throws GTID_INVALID.
 */
export function parseGtidSet(text: string): GtidSet {
  const sources = new Map<string, readonly Interval[]>();
  for (const part of text.split(",")) {
    const fields = part.trim().toLowerCase().split(":");
    if (fields.length === 1 && fields[0] === "") continue;
    const uuid = fields[0]!.trim();
    if (!uuidPattern.test(uuid) || fields.length < 2) throw invalid(text);
    let key = uuid;
    for (const raw of fields.slice(1)) {
      const field = raw.trim();
      if (tagPattern.test(field)) key = `${uuid}:${field}`;
      else sources.set(key, addInterval(sources.get(key) ?? [], parseInterval(field, text)));
    }
  }
  return { sources };
}

function parseInterval(field: string, text: string): Interval {
  const match = intervalPattern.exec(field);
  if (match === null) throw invalid(text);
  const first = BigInt(match[1]!);
  const last = BigInt(match[2] ?? match[1]!);
  if (first < 1n || last < first || last > gnoMax) throw invalid(text);
  return [first, last];
}

function invalid(text: string): DbusError {
  const shown = text.length > 120 ? `${text.slice(0, 120)}...` : text;
  return new DbusError("GTID_INVALID", `not a GTID set: ${JSON.stringify(shown)}`);
}

/** Spelled as the server does, in one line: sources by uuid, the tags of a uuid behind it. */
export function printGtidSet(set: GtidSet): string {
  let text = "";
  let open = "";
  for (const key of [...set.sources.keys()].sort()) {
    const [uuid = "", tag] = key.split(":");
    if (uuid !== open) text += text === "" ? uuid : `,${uuid}`;
    open = uuid;
    if (tag !== undefined) text += `:${tag}`;
    for (const [first, last] of set.sources.get(key)!) {
      text += first === last ? `:${first}` : `:${first}-${last}`;
    }
  }
  return text;
}

export function keyOf(gtid: MysqlGtid): string {
  return gtid.tag === "" ? gtid.uuid : `${gtid.uuid}:${gtid.tag}`;
}

export function printGtid(gtid: MysqlGtid): string {
  return `${keyOf(gtid)}:${gtid.gno}`;
}

export function addGtid(set: GtidSet, gtid: MysqlGtid): GtidSet {
  const sources = new Map(set.sources);
  const key = keyOf(gtid);
  sources.set(key, addInterval(sources.get(key) ?? [], [gtid.gno, gtid.gno]));
  return { sources };
}

/** Puts an interval in its place and joins those that touch. The usual one extends the last. */
function addInterval(intervals: readonly Interval[], added: Interval): readonly Interval[] {
  const tail = intervals.at(-1);
  if (tail === undefined || added[0] > tail[1] + 1n) return [...intervals, added];
  if (added[0] >= tail[0]) {
    if (added[1] <= tail[1]) return intervals;
    return [...intervals.slice(0, -1), [tail[0], added[1]]];
  }
  const merged: Interval[] = [];
  let [first, last] = added;
  let placed = false;
  for (const interval of intervals) {
    if (interval[1] + 1n < first) merged.push(interval);
    else if (interval[0] > last + 1n) {
      if (!placed) merged.push([first, last]);
      placed = true;
      merged.push(interval);
    } else {
      if (interval[0] < first) first = interval[0];
      if (interval[1] > last) last = interval[1];
    }
  }
  if (!placed) merged.push([first, last]);
  return merged;
}

/** Whether every GTID of `part` is in `whole`. */
export function containsSet(whole: GtidSet, part: GtidSet): boolean {
  for (const [key, intervals] of part.sources) {
    const within = whole.sources.get(key) ?? [];
    for (const [first, last] of intervals) {
      if (!within.some((outer) => outer[0] <= first && last <= outer[1])) return false;
    }
  }
  return true;
}

/**
 * The set as COM_BINLOG_DUMP_GTID and Previous_gtids carry it (`Gtid_set::encode` of the server):
 *
 *     head:8 (uuid:16 [tag-length*2:1 tag] count:8 (first:8 last+1:8)*)*
 *
 * `head` is the number of sources; when one of them has a tag it is that number shifted by 8, with
 * 1 in the lowest and the highest byte, and every source has a tag, empty or not.
 */
export function encodeGtidSet(set: GtidSet): Uint8Array {
  const keys = [...set.sources.keys()].sort();
  const tagged = keys.some((key) => key.includes(":"));
  let size = 8;
  for (const key of keys) {
    const tagBytes = tagged ? 1 + (key.split(":")[1] ?? "").length : 0;
    size += 16 + tagBytes + 8 + set.sources.get(key)!.length * 16;
  }
  const out = Buffer.alloc(size);
  const count = BigInt(keys.length);
  let at = out.writeBigUInt64LE(tagged ? (1n << 56n) | (count << 8n) | 1n : count, 0);
  for (const key of keys) {
    const [uuid = "", tag = ""] = key.split(":");
    at += out.write(uuid.replaceAll("-", ""), at, "hex");
    if (tagged) {
      at = out.writeUInt8(tag.length * 2, at);
      at += out.write(tag, at, "latin1");
    }
    const intervals = set.sources.get(key)!;
    at = out.writeBigUInt64LE(BigInt(intervals.length), at);
    for (const [first, last] of intervals) {
      at = out.writeBigUInt64LE(first, at);
      at = out.writeBigUInt64LE(last + 1n, at);
    }
  }
  return out;
}

/** The inverse of `encodeGtidSet`. Throws BINLOG_CORRUPT. */
export function decodeGtidSet(c: Cursor): GtidSet {
  const head = uint64(c.bytes, take(c, 8));
  const format = head >> 56n;
  if (format > 1n) throw corrupt("a GTID set has an unknown format");
  const tagged = format === 1n;
  const count = Number(tagged ? (head >> 8n) & 0xffffffffffffn : head);
  const sources = new Map<string, readonly Interval[]>();
  for (let i = 0; i < count; i++) {
    const uuid = uuidText(c.bytes, take(c, 16));
    const tag = tagged ? shortTag(c) : "";
    const key = tag === "" ? uuid : `${uuid}:${tag}`;
    const intervals: Interval[] = [];
    for (let left = uint64(c.bytes, take(c, 8)); left > 0n; left--) {
      const first = uint64(c.bytes, take(c, 8));
      const last = uint64(c.bytes, take(c, 8)) - 1n;
      const before = intervals.at(-1)?.[1] ?? 0n;
      if (first <= before || last < first) throw corrupt("the intervals of a GTID set overlap");
      intervals.push([first, last]);
    }
    sources.set(key, intervals);
  }
  return { sources };
}

function shortTag(c: Cursor): string {
  const length = c.bytes[take(c, 1)]! >> 1;
  if (length > 32) throw corrupt("the tag of a GTID is too long");
  const at = take(c, length);
  return c.bytes.latin1Slice(at, at + length);
}

/** A server writes the same one again and again. */
const lastUuid = { bytes: new Uint8Array(16), text: "00000000-0000-0000-0000-000000000000" };

export function uuidText(b: Uint8Array, at: number): string {
  const { bytes } = lastUuid;
  let same = true;
  for (let i = 0; i < 16 && same; i++) same = bytes[i] === b[at + i];
  if (!same) {
    bytes.set(b.subarray(at, at + 16));
    const hex = Buffer.from(bytes).toString("hex");
    const cuts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
    lastUuid.text = `${cuts.join("-")}-${hex.slice(20)}`;
  }
  return lastUuid.text;
}

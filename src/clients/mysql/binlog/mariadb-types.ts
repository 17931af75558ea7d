import { corrupt } from "./bytes.ts";
import type { TextReader } from "./charset.ts";
import { stringLength } from "./column-codec.ts";
import { columnType as t } from "./column-type.ts";

/*
 * MariaDB logs UUID (10.7), INET6 (10.5) and INET4 (10.10) as BINARY(16) and BINARY(4), and nothing
 * in TABLE_MAP tells them apart, with FULL metadata neither: only the table's definition does. In
 * the binlog their bytes stand in the order of the text, whatever a table's own order is, and zeros
 * at the end are left out (seen with 10.11; `FixedBinTypeStorage::pack` of the server).
 */

/** A type that is BINARY in the binlog. */
export type HiddenType = "uuid" | "inet4" | "inet6";

const sizes: Readonly<Record<HiddenType, number>> = { uuid: 16, inet4: 4, inet6: 16 };

/** What `information_schema` or a statement names as such a type. */
export function hiddenType(sqlType: string): HiddenType | undefined {
  const [word = ""] = sqlType.match(/^[a-z0-9]+/i) ?? [];
  const name = word.toLowerCase();
  return Object.hasOwn(sizes, name) ? (name as HiddenType) : undefined;
}

/** For a table that carries its names, of which it is not known whether it has such a column. */
export const hiddenRemedy =
  "only the table's definition tells UUID and INET from BINARY: schema: current goes by that of " +
  "today, schema: binlog reads them as BINARY";

/** Bytes of a value, as the metadata of its column says them. */
export function hiddenBytes(type: HiddenType): number {
  return sizes[type];
}

/** Whether a column that is logged like this may be of a hidden type. */
export function mayHide(type: number, meta: number, collation: number | undefined): boolean {
  if (type !== t.string || (collation !== undefined && collation !== binaryCollation)) return false;
  return Object.values(sizes).includes(stringLength(meta));
}

const binaryCollation = 63;

/** The value as the server shows it. */
export const hiddenReaders: Readonly<Record<HiddenType, TextReader>> = {
  uuid(b, start, end) {
    const hex = b.toString("hex", start, ending(start, end, 16)).padEnd(32, "0");
    const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
    return `${parts.join("-")}-${hex.slice(20)}`;
  },
  inet4(b, start, end) {
    ending(start, end, 4);
    return dotted(b, start, end);
  },
  inet6(b, start, end) {
    ending(start, end, 16);
    const words = Array.from({ length: 8 }, (_, i) => {
      const [high, low] = [byteAt(b, start + 2 * i, end), byteAt(b, start + 2 * i + 1, end)];
      return high * 256 + low;
    });
    return spellInet6(words, () => dotted(b, start + 12, end));
  },
};

function ending(start: number, end: number, size: number): number {
  if (end - start > size) throw corrupt("a UUID or an address is longer than its column");
  return end;
}

function byteAt(b: Buffer, at: number, end: number): number {
  return at < end ? b[at]! : 0;
}

function dotted(b: Buffer, start: number, end: number): string {
  return [0, 1, 2, 3].map((i) => byteAt(b, start + i, end)).join(".");
}

/**
 * The longest run of zeros, the first of several, is `::`, also where it is one alone. An address
 * of IPv4 in one of IPv6, mapped or compatible, ends like one of IPv4.
 */
function spellInet6(words: readonly number[], ipv4: () => string): string {
  const { from, length } = longestZeros(words);
  const mapped = length === 5 && words[5] === 0xffff;
  if (from === 0 && (length === 6 || mapped)) return `::${mapped ? "ffff:" : ""}${ipv4()}`;
  const hex = words.map((word) => word.toString(16));
  if (length === 0) return hex.join(":");
  return `${hex.slice(0, from).join(":")}::${hex.slice(from + length).join(":")}`;
}

function longestZeros(words: readonly number[]): { from: number; length: number } {
  let longest = { from: 0, length: 0 };
  for (let from = 0; from < words.length; from++) {
    let length = 0;
    while (words[from + length] === 0) length++;
    if (length > longest.length) longest = { from, length };
  }
  return longest;
}

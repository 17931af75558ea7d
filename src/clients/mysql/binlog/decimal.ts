import { corrupt } from "./bytes.ts";

const [minus, point, zeroDigit] = [45, 46, 48];
/** A sign that may be left out, a point and all digits that a DECIMAL may have, and some to spare. */
const text = Buffer.alloc(96);
text[0] = minus;

/** Bytes that so many digits take, 0 to 9: MySQL packs nine decimal digits into four bytes. */
const bytesOfDigits = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;

/** Bytes of a DECIMAL(precision, scale) in a row. */
export function decimalBytes(precision: number, scale: number): number {
  const whole = precision - scale;
  return (
    Math.floor(whole / 9) * 4 +
    bytesOfDigits[whole % 9]! +
    Math.floor(scale / 9) * 4 +
    bytesOfDigits[scale % 9]!
  );
}

/**
 * Reads a DECIMAL into text with exactly `scale` digits behind the point. Layout (MySQL
 * `decimal2bin`): big-endian groups of nine digits, the incomplete group first in the whole part
 * and last in the fraction; the first bit inverted; all bits inverted for a negative number.
 */
export function decimalReader(
  precision: number,
  scale: number,
): (b: Uint8Array, p: number) => string {
  const whole = groupsOf(precision - scale, true);
  const fraction = groupsOf(scale, false);
  return (b, p) => {
    const negative = (b[p]! & 0x80) === 0;
    const mask = negative ? 0xff : 0;
    // The first bit is put right in whatever group comes first.
    let first = 0x80;
    let from = p;
    let to = 1;
    let zero = true;
    for (let i = 0; i < whole.length; i++) {
      const { bytes, size } = whole[i]!;
      const value = bigEndian(b, from, bytes, mask, first);
      first = 0;
      from += bytes;
      if (zero && value === 0) continue;
      to = putDigits(value, to, zero ? digitsOf(value) : size);
      zero = false;
    }
    if (zero) to = putDigits(0, to, 1);
    if (scale > 0) text[to++] = point;
    for (let i = 0; i < fraction.length; i++) {
      const { bytes, size } = fraction[i]!;
      const value = bigEndian(b, from, bytes, mask, first);
      first = 0;
      from += bytes;
      if (value !== 0) zero = false;
      to = putDigits(value, to, size);
    }
    return text.latin1Slice(negative && !zero ? 0 : 1, to);
  };
}

/** Digits and bytes of each group of a part; the incomplete one stands first or last. */
function groupsOf(digits: number, incompleteFirst: boolean) {
  const groups = Array.from({ length: Math.floor(digits / 9) }, () => ({ size: 9, bytes: 4 }));
  const size = digits % 9;
  if (size === 0) return groups;
  const incomplete = { size, bytes: bytesOfDigits[size]! as number };
  return incompleteFirst ? [incomplete, ...groups] : [...groups, incomplete];
}

function bigEndian(b: Uint8Array, at: number, bytes: number, mask: number, first: number): number {
  let value = b[at]! ^ mask ^ first;
  for (let i = 1; i < bytes; i++) value = value * 256 + (b[at + i]! ^ mask);
  return value;
}

/** How many digits a number below 2^32 has. */
function digitsOf(value: number): number {
  let digits = 1;
  for (let power = 10; power <= value; power *= 10) digits++;
  return digits;
}

/** Writes so many digits into `text`, zeros at their head too, and says where they end. */
function putDigits(value: number, at: number, digits: number): number {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const tenth = Math.floor(rest / 10);
    text[i] = zeroDigit + rest - tenth * 10;
    rest = tenth;
  }
  if (rest > 0) throw corrupt("a group of a DECIMAL has more digits than it may");
  return at + digits;
}

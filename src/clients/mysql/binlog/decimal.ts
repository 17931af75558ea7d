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
    let at = p;
    let digits = "";
    let zero = true;
    for (let i = 0; i < whole.length; i++) {
      const { bytes } = whole[i]!;
      const value = bigEndian(b, at, bytes, mask, first);
      first = 0;
      at += bytes;
      if (digits !== "") digits += padded(value, 9);
      else if (value !== 0) digits = String(value);
    }
    if (digits === "") digits = "0";
    else zero = false;
    if (scale > 0) digits += ".";
    for (let i = 0; i < fraction.length; i++) {
      const { bytes, size } = fraction[i]!;
      const value = bigEndian(b, at, bytes, mask, first);
      first = 0;
      at += bytes;
      if (value !== 0) zero = false;
      digits += padded(value, size);
    }
    return negative && !zero ? `-${digits}` : digits;
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

const twoDigits = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));

function padded(value: number, digits: number): string {
  return digits === 2 && value < 100 ? twoDigits[value]! : String(value).padStart(digits, "0");
}

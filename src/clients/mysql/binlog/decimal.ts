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
  const whole = precision - scale;
  const headBytes = bytesOfDigits[whole % 9]!;
  const wholeGroups = Math.floor(whole / 9);
  const fractionGroups = Math.floor(scale / 9);
  const tailDigits = scale % 9;
  const tailBytes = bytesOfDigits[tailDigits]!;

  return (b, p) => {
    const negative = (b[p]! & 0x80) === 0;
    const mask = negative ? 0xff : 0;
    let flip = mask ^ 0x80;
    let at = p;
    const group = (bytes: number): number => {
      let value = 0;
      for (let i = 0; i < bytes; i++) {
        value = value * 256 + (b[at++]! ^ flip);
        flip = mask;
      }
      return value;
    };
    let digits = "";
    let zero = true;
    if (headBytes > 0) {
      const head = group(headBytes);
      if (head !== 0) {
        digits = String(head);
        zero = false;
      }
    }
    for (let i = 0; i < wholeGroups; i++) {
      const value = group(4);
      if (zero && value === 0) continue;
      digits += zero ? String(value) : nineDigits(value);
      zero = false;
    }
    if (zero) digits = "0";
    if (scale > 0) {
      digits += ".";
      for (let i = 0; i < fractionGroups; i++) {
        const value = group(4);
        if (value !== 0) zero = false;
        digits += nineDigits(value);
      }
      if (tailBytes > 0) {
        const value = group(tailBytes);
        if (value !== 0) zero = false;
        digits += padded(value, tailDigits);
      }
    }
    return negative && !zero ? `-${digits}` : digits;
  };
}

const twoDigits = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));

function nineDigits(value: number): string {
  return padded(value, 9);
}

function padded(value: number, digits: number): string {
  return digits === 2 && value < 100 ? twoDigits[value]! : String(value).padStart(digits, "0");
}

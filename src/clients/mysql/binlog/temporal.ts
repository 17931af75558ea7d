import { corrupt, int64, uint32 } from "./bytes.ts";

/**
 * Dates and times as text, spelled as MySQL spells them: `2026-11-23`, `-838:59:59.000`,
 * `2026-11-23 20:14:00.123`; TIMESTAMP is in UTC. Zero dates and zero months stay as they are.
 */
export type TemporalReader = (b: Uint8Array, p: number) => string;

const two = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));
const hourMinute = Array.from(
  { length: 24 * 60 },
  (_, i) => `${two[Math.floor(i / 60)]}:${two[i % 60]}:`,
);
const thousandths = Array.from({ length: 1000 }, (_, i) => `.${String(i).padStart(3, "0")}`);

function dateText(year: number, month: number, day: number): string {
  return `${String(year).padStart(4, "0")}-${two[month] ?? month}-${two[day] ?? day}`;
}

/** The last date made, since rows of one event mostly share it. */
let cachedKey = -1;
let cachedDate = "";

function dateOf(year: number, month: number, day: number): string {
  const key = (year << 9) | (month << 5) | day;
  if (key !== cachedKey) {
    cachedDate = dateText(year, month, day);
    cachedKey = key;
  }
  return cachedDate;
}

function clockOf(hour: number, minute: number, second: number): string {
  const head = hour < 24 && minute < 60 ? hourMinute[hour * 60 + minute]! : undefined;
  if (head === undefined || second > 59) throw corrupt("a time of day is out of range");
  return head + two[second]!;
}

/** Bytes of the fraction behind DATETIME2, TIMESTAMP2 and TIME2. */
export function fractionBytes(digits: number): number {
  return (digits + 1) >> 1;
}

/** The fraction with its point, empty without digits. It is big-endian, in units of two digits. */
function fractionText(b: Uint8Array, p: number, digits: number): string {
  if (digits === 0) return "";
  let value = 0;
  for (let i = 0; i < fractionBytes(digits); i++) value = value * 256 + b[p + i]!;
  return spellFraction(value, digits);
}

function spellFraction(value: number, digits: number): string {
  const exact = digits & 1 ? Math.floor(value / 10) : value;
  if (digits === 3 && exact < 1000) return thousandths[exact]!;
  const text = String(exact).padStart(digits, "0");
  if (text.length > digits) throw corrupt("a fraction of a second is out of range");
  return `.${text}`;
}

/** DATE: three bytes, five bits of day, four of month, the rest year. */
export const readDate: TemporalReader = (b, p) => {
  const packed = b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16);
  return dateOf(packed >> 9, (packed >> 5) & 15, packed & 31);
};

/** DATETIME2: sign, 17 bits of year * 13 + month, then day, hour, minute, second; big-endian. */
export function datetimeReader(digits: number): TemporalReader {
  return (b, p) => {
    const b2 = b[p + 2]!;
    const b3 = b[p + 3]!;
    const b4 = b[p + 4]!;
    if (b[p]! < 0x80) throw corrupt("a DATETIME is negative");
    const yearMonth = ((b[p]! & 0x7f) << 10) | (b[p + 1]! << 2) | (b2 >> 6);
    const year = Math.floor(yearMonth / 13);
    const date = dateOf(year, yearMonth - year * 13, (b2 >> 1) & 31);
    const time = clockOf(((b2 & 1) << 4) | (b3 >> 4), ((b3 & 15) << 2) | (b4 >> 6), b4 & 63);
    return digits === 0 ? `${date} ${time}` : `${date} ${time}${fractionText(b, p + 5, digits)}`;
  };
}

/** Seconds since 1970 as a UTC date and time; 0 is MySQL's zero timestamp. */
function secondsText(seconds: number): string {
  if (seconds === 0) return "0000-00-00 00:00:00";
  const days = Math.floor(seconds / 86_400);
  const rest = seconds - days * 86_400;
  const hour = Math.floor(rest / 3600);
  const minute = Math.floor((rest - hour * 3600) / 60);
  return `${dayText(days)} ${hourMinute[hour * 60 + minute]}${two[rest % 60]}`;
}

let cachedDay = -1;
let cachedDayText = "";

function dayText(days: number): string {
  if (days !== cachedDay) {
    cachedDayText = new Date(days * 86_400_000).toISOString().slice(0, 10);
    cachedDay = days;
  }
  return cachedDayText;
}

/** TIMESTAMP2: big-endian seconds, then the fraction. */
export function timestampReader(digits: number): TemporalReader {
  return (b, p) => {
    const seconds = ((b[p]! << 24) | (b[p + 1]! << 16) | (b[p + 2]! << 8) | b[p + 3]!) >>> 0;
    return digits === 0
      ? secondsText(seconds)
      : secondsText(seconds) + fractionText(b, p + 4, digits);
  };
}

/** TIME2: one big-endian number of 24 bits and the fraction's, offset by half its range. */
export function timeReader(digits: number): TemporalReader {
  const bytes = 3 + fractionBytes(digits);
  const offset = 2 ** (bytes * 8 - 1);
  const unit = 2 ** (fractionBytes(digits) * 8);
  return (b, p) => {
    let raw = 0;
    for (let i = 0; i < bytes; i++) raw = raw * 256 + b[p + i]!;
    const signed = raw - offset;
    const size = Math.abs(signed);
    const clock = Math.floor(size / unit);
    const fraction = digits === 0 ? "" : spellFraction(size % unit, digits);
    return spellTime(signed < 0, (clock >> 12) & 0x3ff, (clock >> 6) & 63, clock & 63) + fraction;
  };
}

function spellTime(negative: boolean, hour: number, minute: number, second: number): string {
  if (minute > 59 || second > 59) throw corrupt("a TIME is out of range");
  const hours = hour < 100 ? two[hour]! : String(hour);
  return `${negative ? "-" : ""}${hours}:${two[minute]}:${two[second]}`;
}

/** TIME before MySQL 5.6: three bytes, the decimal number HHMMSS with its sign. */
export const readOldTime: TemporalReader = (b, p) => {
  const raw = ((b[p]! << 8) | (b[p + 1]! << 16) | (b[p + 2]! << 24)) >> 8;
  const size = Math.abs(raw);
  return spellTime(raw < 0, Math.floor(size / 10_000), Math.floor(size / 100) % 100, size % 100);
};

/** TIMESTAMP before MySQL 5.6: little-endian seconds. */
export const readOldTimestamp: TemporalReader = (b, p) => secondsText(uint32(b, p));

/** DATETIME before MySQL 5.6: eight bytes, the decimal number YYYYMMDDhhmmss. */
export const readOldDatetime: TemporalReader = (b, p) => {
  const packed = Number(int64(b, p));
  if (packed < 0 || packed > 99_991_231_235_959) throw corrupt("a DATETIME is out of range");
  const date = Math.floor(packed / 1_000_000);
  const time = packed % 1_000_000;
  const day = dateText(Math.floor(date / 10_000), Math.floor(date / 100) % 100, date % 100);
  return `${day} ${clockOf(Math.floor(time / 10_000), Math.floor(time / 100) % 100, time % 100)}`;
};

/** DATE, DATETIME, TIMESTAMP and TIME inside JSON: a packed 64-bit number with microseconds. */
export function jsonTemporal(kind: "date" | "datetime" | "time", packed: bigint): string {
  const negative = packed < 0n;
  const size = negative ? -packed : packed;
  const micros = String(size & 0xffffffn).padStart(6, "0");
  const value = Number(size >> 24n);
  if (kind === "time") {
    const time = spellTime(negative, (value >> 12) & 0x3ff, (value >> 6) & 63, value & 63);
    return `${time}.${micros}`;
  }
  const days = Math.floor(value / 131_072);
  const yearMonth = Math.floor(days / 32);
  const date = dateText(Math.floor(yearMonth / 13), yearMonth % 13, days % 32);
  if (kind === "date") return date;
  const clock = value % 131_072;
  return `${date} ${clockOf(clock >> 12, (clock >> 6) & 63, clock & 63)}.${micros}`;
}

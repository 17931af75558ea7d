import { DbusError } from "../errors.ts";

/**
 * SQL dates and times as text, turned into the epoch numbers that Debezium's default
 * `time.precision.mode=adaptive_time_microseconds` asks for. Text in, JSON digits out: a DATETIME(6)
 * of the year 9999 in microseconds is above 2^53, so nothing here goes through a number when it
 * could lose a digit. `null` stands for what is no day of the calendar, e.g. `0000-00-00`. Regular
 * expressions were a third of the cost of a row, so the digits are read one by one.
 */

const timeShape = /^(-?)(\d{1,3}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?$/;
const space = 32;
const letterT = 84;
const dash = 45;
const dot = 46;
const colon = 58;

function refuse(what: string): never {
  throw new DbusError("FORMAT_VALUE", `not a ${what} as MySQL writes it`);
}

/** The number that `count` digits from `at` stand for, or NaN. */
function digits(text: string, at: number, count: number): number {
  let number = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar. */
function daysFromCivil(year: number, month: number, day: number): number {
  // Counted from 0000-03-01, so that the leap day is the last of its year.
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return era * 146097 + yearOfEra * 365 + leapDays + dayOfYear - 719468;
}

/** The days of the `YYYY-MM-DD` that `text` starts with; NaN where it starts otherwise. */
function leadingDays(text: string): number | null {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  if (text.charCodeAt(4) !== dash || text.charCodeAt(7) !== dash) return Number.NaN;
  return month === 0 || day === 0 ? null : daysFromCivil(year, month, day);
}

/** Days since 1970-01-01 of `YYYY-MM-DD`. */
export function epochDays(text: string): number | null {
  const days = leadingDays(text);
  if (text.length !== 10 || Number.isNaN(days)) refuse("DATE");
  return days;
}

/** Seconds since 1970 of `YYYY-MM-DD HH:MM:SS[.ffffff]`, its fraction not counted. */
function epochSeconds(text: string, what: string): number | null {
  const days = leadingDays(text);
  const clock = digits(text, 11, 2) * 3600 + digits(text, 14, 2) * 60 + digits(text, 17, 2);
  const shaped =
    text.charCodeAt(13) === colon &&
    text.charCodeAt(16) === colon &&
    (text.length === 19 || (text.charCodeAt(19) === dot && text.length > 20 && text.length <= 26));
  if (!shaped || Number.isNaN(days) || Number.isNaN(clock)) refuse(what);
  return days === null ? null : days * 86400 + clock;
}

/** The fraction behind the second, as that many digits of it. */
function fraction(text: string, count: 3 | 6): number {
  if (text.length === 19) return 0;
  const given = text.length - 20;
  const value = digits(text, 20, given < count ? given : count);
  if (Number.isNaN(value)) refuse("fraction");
  return given < count ? value * 10 ** (count - given) : value;
}

/** Digits of the milliseconds or microseconds since 1970, `text` taken as UTC. */
export function epochDigits(text: string, unit: "ms" | "us"): string | null {
  const seconds = epochSeconds(text, "DATETIME");
  if (seconds === null) return null;
  if (unit === "ms") return `${seconds * 1000 + fraction(text, 3)}`;
  const micros = seconds * 1_000_000 + fraction(text, 6);
  if (Number.isSafeInteger(micros)) return `${micros}`;
  return `${BigInt(seconds) * 1_000_000n + BigInt(fraction(text, 6))}`;
}

/** Digits of the microseconds of a TIME, which may be negative and above 24 hours. */
export function timeMicros(text: string): string {
  const match = timeShape.exec(text);
  if (!match) refuse("TIME");
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4]);
  const micros = seconds * 1e6 + Number((match[5] ?? "").padEnd(6, "0"));
  return String(match[1] === "-" && micros !== 0 ? -micros : micros);
}

/** Whether `2026-11-23 20:14:07.120` is of a day that is in the calendar. */
export function isMoment(text: string): boolean {
  const between = text.charCodeAt(10);
  if (between !== space && between !== letterT) refuse("TIMESTAMP");
  if (epochSeconds(text, "TIMESTAMP") === null) return false;
  fraction(text, 6);
  return true;
}

/** `2026-11-23 20:14:07.120` in UTC as `2026-11-23T20:14:07.120Z`. */
export function zonedText(text: string): string | null {
  return isMoment(text) ? `${text.slice(0, 10)}T${text.slice(11)}Z` : null;
}

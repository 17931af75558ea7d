import { type ByteSink, putInt, reserve } from "../../byte-sink.ts";

/**
 * An external version of up to 63 bits: the sum of two numbers, each of them exact. `upper` is a
 * multiple of 2^36 and the same for many documents, `lower` is below 2^40.
 */
export type DocumentVersion = { readonly upper: number; readonly lower: number };

export function wholeVersion({ upper, lower }: DocumentVersion): bigint {
  return BigInt(upper) + BigInt(lower);
}

/** Digits of the lower part of a number, and what each of the upper part stands for. */
const tailDigits = 12;
const tailUnit = 1e12;

/** Writes versions as decimal digits, without a bigint for each. */
export function versionWriter(): (sink: ByteSink, version: DocumentVersion) => void {
  let split = { upper: 0, head: 0, tail: 0 };
  return (sink, { upper, lower }) => {
    if (split.upper !== upper) {
      const whole = BigInt(upper);
      const unit = BigInt(tailUnit);
      split = { upper, head: Number(whole / unit), tail: Number(whole % unit) };
    }
    let { head, tail } = split;
    for (tail += lower; tail >= tailUnit; tail -= tailUnit) head++;
    if (head > 0) {
      putInt(sink, head);
      putTail(sink, tail);
    } else {
      putInt(sink, tail);
    }
  };
}

/** All digits of the tail, zeros at its head too. */
function putTail(sink: ByteSink, tail: number): void {
  reserve(sink, tailDigits);
  const { buffer, at } = sink;
  sink.at = at + tailDigits;
  const half = Math.floor(tail / 1e6);
  putSix(buffer, at, half);
  putSix(buffer, at + 6, tail - half * 1e6);
}

function putSix(buffer: Uint8Array, at: number, number: number): void {
  let rest = number | 0;
  for (let i = at + 5; i >= at; i--) {
    const tenth = (rest / 10) | 0;
    buffer[i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
}

/**
 * A buffer that grows as it is written. Formats write JSON straight into the request that is sent:
 * text that is made first and encoded later costs twice the CPU, most of it in collecting garbage.
 * The functions are loops where a call into the runtime would cost more than it does.
 */
export type ByteSink = {
  /** Replaced by a larger one when it is full, so never kept over a write. */
  buffer: Buffer<ArrayBuffer>;
  /** Where the next byte goes. */
  at: number;
};

/** What writes itself, as often as it is asked to. */
export type Writable = { writeTo(sink: ByteSink): void };

const shortText = 64;
const shortBytes = 24;
const keptMax = 1 << 20;

export function createByteSink(bytes: number): ByteSink {
  return { buffer: Buffer.allocUnsafeSlow(bytes), at: 0 };
}

/** Makes room for so many bytes more. */
export function reserve(sink: ByteSink, bytes: number): void {
  const { buffer, at } = sink;
  if (at + bytes <= buffer.length) return;
  sink.buffer = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, at + bytes));
  sink.buffer.set(buffer.subarray(0, at));
}

export function putByte(sink: ByteSink, byte: number): void {
  reserve(sink, 1);
  sink.buffer[sink.at++] = byte;
}

export function putBytes(sink: ByteSink, bytes: Uint8Array): void {
  const { length } = bytes;
  reserve(sink, length);
  const { buffer, at } = sink;
  if (length > shortBytes) buffer.set(bytes, at);
  else for (let i = 0; i < length; i++) buffer[at + i] = bytes[i] as number;
  sink.at = at + length;
}

/** UTF-8. A lone surrogate becomes U+FFFD, as everywhere that has no other way to write one. */
export function putText(sink: ByteSink, text: string): void {
  const { length } = text;
  reserve(sink, length * 3);
  const { buffer } = sink;
  const start = sink.at;
  if (length <= shortText) {
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 127) break;
      buffer[start + i] = unit;
    }
    if (i === length) {
      sink.at = start + length;
      return;
    }
  }
  sink.at = start + buffer.write(text, start);
}

/** A whole number as decimal digits. */
export function putInt(sink: ByteSink, value: number): void {
  if (!(value >= 0 && value < 1e9)) {
    putText(sink, String(value));
    return;
  }
  reserve(sink, 9);
  const { buffer } = sink;
  let end = sink.at + 1;
  for (let power = 10; power <= value; power *= 10) end++;
  sink.at = end;
  let rest = value | 0;
  do {
    const tenth = (rest / 10) | 0;
    buffer[--end] = 48 + rest - tenth * 10;
    rest = tenth;
  } while (rest > 0);
}

/** All that was written, as text, and the sink empty again. */
export function takeText(sink: ByteSink): string {
  const text = sink.buffer.toString("utf8", 0, sink.at);
  sink.at = 0;
  // One huge text must not hold its memory for ever.
  if (sink.buffer.length > keptMax) sink.buffer = Buffer.allocUnsafeSlow(1024);
  return text;
}

/** What it writes, in a buffer of its own. */
export function bytesOf(writable: Writable): Uint8Array {
  const sink = createByteSink(1024);
  writable.writeTo(sink);
  return sink.buffer.subarray(0, sink.at);
}

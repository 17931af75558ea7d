import { type ByteSink, putText, reserve } from "../byte-sink.ts";

/** Up to here a loop is faster than the runtime's own escaping and encoding. */
const loopMax = 200;

/** A JSON string. What needs escaping is left to the runtime, lone surrogates too. */
export function putJsonString(sink: ByteSink, text: string): void {
  if (text.length > loopMax || !putPlain(sink, text)) putText(sink, JSON.stringify(text));
}

/** False, and nothing written, for a text that is not printable ASCII or has to be escaped. */
function putPlain(sink: ByteSink, text: string): boolean {
  const { length } = text;
  reserve(sink, length + 2);
  const { buffer } = sink;
  let at = sink.at;
  buffer[at++] = 34;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 32 || unit > 126 || unit === 34 || unit === 92) return false;
    buffer[at++] = unit;
  }
  buffer[at++] = 34;
  sink.at = at;
  return true;
}

/** JSON text that never changes, as the bytes that `putBytes` wants. */
export function fragment(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** `value` with zeros behind, e.g. seconds as nanoseconds, without leaving exactness. */
export function scaled(value: number, zeros: string): string {
  return value === 0 ? "0" : value + zeros;
}

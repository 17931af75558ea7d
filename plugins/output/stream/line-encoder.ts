import { DbusError, type Packet } from "#plugin";
import type { Format } from "#src/format/format.ts";

/** Writes a packet as one line with its line end. Throws `FORMAT_VALUE`. */
export type LineEncoder = (packet: Packet) => string | Buffer;

const LINE_END = Buffer.from("\n");

export function createLineEncoder(format: Format, lines: "json" | "raw"): LineEncoder {
  return (packet) => {
    const { payload } = packet;
    switch (payload.kind) {
      case "text":
        return lines === "json" ? `${JSON.stringify(payload.text)}\n` : rawText(payload.text);
      case "bytes":
        return lines === "json" ? `${bytesJson(payload)}\n` : rawBytes(payload.value);
      case "document":
        return `${oneLine(payload.json)}\n`;
      case "row":
        return packet.bytes < largeBytes
          ? `${format.value(packet)}\n`
          : format.bytes(payload, LINE_END);
    }
  };
}

/** From here on a string that is made first costs more than it saves, above all memory. */
const largeBytes = 1 << 20;

/** In checked JSON a line break can only stand between tokens, where a space means the same. */
function oneLine(json: string): string {
  return /[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, " ") : json;
}

function rawText(text: string): string {
  if (text.includes("\n")) throw twoLines();
  if (!text.isWellFormed()) {
    throw new DbusError("FORMAT_VALUE", "a text that is not valid Unicode has no UTF-8 form");
  }
  return `${text}\n`;
}

function rawBytes(value: Uint8Array | null): Buffer {
  if (value === null) throw new DbusError("FORMAT_VALUE", "a tombstone has no raw line");
  if (value.includes(10)) throw twoLines();
  return Buffer.concat([value, LINE_END]);
}

function twoLines(): DbusError {
  return new DbusError("FORMAT_VALUE", "a packet with a line end would become several lines");
}

type Bytes = Extract<Packet["payload"], { kind: "bytes" }>;

function bytesJson({ key, value, headers, timestamp }: Bytes): string {
  const heads = headers.map(([name, head]) => [
    name,
    head === null || typeof head === "string" ? head : base64(head),
  ]);
  const names = new Set(headers.map(([name]) => name));
  return JSON.stringify({
    key: key && base64(key),
    bytes: value && base64(value),
    ...(heads.length > 0
      ? { headers: names.size < heads.length ? heads : Object.fromEntries(heads) }
      : {}),
    ...(timestamp === undefined ? {} : { timestamp }),
  });
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

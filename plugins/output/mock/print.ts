import { write as writeFd } from "node:fs";
import { DbusError, type OutputContext, type Packet, sleep } from "#plugin";
import { createFormat } from "#src/format/format.ts";

/** Prints packets to standard output, one JSON line each; resolves when all are written. */
export type Printer = (packets: readonly Packet[]) => Promise<void>;

const STDOUT = 1;
/** How long to wait before a reader that takes nothing is asked again. */
const FULL_MS = 5;

export function createPrinter({ clock, signal }: OutputContext): Printer {
  const format = createFormat("row");

  function payloadJson(packet: Packet): string {
    const value = format.value(packet);
    if (value === null) return "null";
    if (typeof value !== "string") return `"${Buffer.from(value).toString("base64")}"`;
    return packet.payload.kind === "text" ? JSON.stringify(value) : value;
  }

  return async (packets) => {
    const lines = packets.map((packet) => {
      const [ident, position] = [packet.ident, packet.position].map((one) => JSON.stringify(one));
      return `{"ident":${ident},"position":${position},"payload":${payloadJson(packet)}}\n`;
    });
    const bytes = Buffer.from(lines.join(""));
    for (let at = 0; at < bytes.length; ) {
      if (signal.aborted) throw new DbusError("STREAM_UNWRITABLE", "standard output: stopped");
      const written = await some(bytes.subarray(at));
      if (written === 0) await sleep(clock, FULL_MS, signal);
      at += written;
    }
  };
}

/** Writes what the reader takes now; 0 when it takes nothing. */
function some(bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    writeFd(STDOUT, bytes, 0, bytes.length, null, (error, written) => {
      if (!error) resolve(written);
      else if (error.code === "EAGAIN") resolve(0);
      else reject(new DbusError("STREAM_UNWRITABLE", `standard output: ${error.message}`));
    });
  });
}

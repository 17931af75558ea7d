import type { Bytes, Packet } from "#src/flow/packet.ts";

/** A small packet of bytes whose text is `text`, charged 100 bytes. */
export function packetOf(ident: string, position: number, text = String(position)): Packet {
  const value = new TextEncoder().encode(text);
  const payload: Bytes = { kind: "bytes", key: null, value, headers: [], timestamp: undefined };
  return { ident, payload, position, bytes: 100 };
}

export function textOf({ payload }: Packet): string {
  return payload.kind === "bytes" && payload.value ? new TextDecoder().decode(payload.value) : "";
}

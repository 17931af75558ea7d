import { assert } from "../assert.ts";

/** How much a sender may still send, in packets and in bytes. Never negative, never above its limit. */
export type Credit = {
  readonly limit: CreditLimit;
  readonly packets: number;
  readonly bytes: number;
  /** What a packet of that many bytes is charged: one above the whole limit needs all of it. */
  charge(bytes: number): number;
  spend(packets: number, bytes: number): void;
  grant(packets: number, bytes: number): void;
};

export type CreditLimit = { readonly packets: number; readonly bytes: number };

export function createCredit(limit: CreditLimit): Credit {
  assert(limit.packets >= 1 && limit.bytes >= 1, "a credit limit is at least one packet and byte");
  let packets = limit.packets;
  let bytes = limit.bytes;
  return {
    limit,
    get packets() {
      return packets;
    },
    get bytes() {
      return bytes;
    },
    charge: (size) => Math.min(size, limit.bytes),
    spend(spentPackets, spentBytes) {
      packets -= spentPackets;
      bytes -= spentBytes;
      assert(packets >= 0 && bytes >= 0, "credit was spent that was not there");
    },
    grant(grantedPackets, grantedBytes) {
      packets += grantedPackets;
      bytes += grantedBytes;
      assert(packets <= limit.packets && bytes <= limit.bytes, "more credit came back than left");
    },
  };
}

import { assert } from "../assert.ts";

/** A limit in packets and in bytes. */
export type CreditLimit = { readonly packets: number; readonly bytes: number };

/**
 * How much a sender may still send. Never negative, never above its limit. A plain record, because
 * it is touched for every packet; only `spend` and `grant` change it.
 */
export type Credit = { readonly limit: CreditLimit; packets: number; bytes: number };

export function createCredit(limit: CreditLimit): Credit {
  assert(limit.packets >= 1 && limit.bytes >= 1, "a credit limit is at least one packet and byte");
  return { limit, packets: limit.packets, bytes: limit.bytes };
}

/** What a packet of `bytes` is charged: one above the whole limit needs all of it, alone. */
export function chargeFor(limit: CreditLimit, bytes: number): number {
  return Math.min(bytes, limit.bytes);
}

/** Throws `INVARIANT` when it is not there: whoever sends looks first. */
export function spend(credit: Credit, packets: number, bytes: number): void {
  credit.packets -= packets;
  credit.bytes -= bytes;
  assert(credit.packets >= 0 && credit.bytes >= 0, "credit was spent that was not there");
}

/** Throws `INVARIANT` when more comes back than was spent. */
export function grant(credit: Credit, packets: number, bytes: number): void {
  credit.packets += packets;
  credit.bytes += bytes;
  const { limit } = credit;
  assert(
    credit.packets <= limit.packets && credit.bytes <= limit.bytes,
    "more credit came back than was spent",
  );
}

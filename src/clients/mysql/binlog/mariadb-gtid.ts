import { DbusError } from "#src/errors.ts";
import type { MariadbGtid } from "./event.ts";

/** The last GTID of each domain: where a MariaDB replica stands. Immutable. */
export type MariadbGtidPosition = ReadonlyMap<number, MariadbGtid>;

const gtidPattern = /^(\d{1,10})-(\d{1,10})-(\d{1,20})$/;

/** Parses `0-1-100,1-2-5`. Throws GTID_INVALID, also for a domain that is named twice. */
export function parseMariadbPosition(text: string): MariadbGtidPosition {
  const position = new Map<number, MariadbGtid>();
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const match = gtidPattern.exec(part.trim());
    const gtid = match && {
      domain: Number(match[1]),
      server: Number(match[2]),
      seq: BigInt(match[3]!),
    };
    const fits = gtid && Math.max(gtid.domain, gtid.server) < 2 ** 32 && gtid.seq < 2n ** 64n;
    if (!fits || position.has(gtid.domain)) {
      const shown = JSON.stringify(text.slice(0, 120));
      throw new DbusError("GTID_INVALID", `not a MariaDB GTID position: ${shown}`);
    }
    position.set(gtid.domain, gtid);
  }
  return position;
}

export function printMariadbGtid(gtid: MariadbGtid): string {
  return `${gtid.domain}-${gtid.server}-${gtid.seq}`;
}

export function printMariadbPosition(position: MariadbGtidPosition): string {
  const domains = [...position.keys()].sort((a, b) => a - b);
  return domains.map((domain) => printMariadbGtid(position.get(domain)!)).join(",");
}

/** The position after a transaction: its GTID takes the place of the one before in its domain. */
export function advance(position: MariadbGtidPosition, gtid: MariadbGtid): MariadbGtidPosition {
  return new Map(position).set(gtid.domain, gtid);
}

/**
 * The position that a GTID_LIST stands for. Of several GTIDs of a domain the newest comes last:
 * the server writes the others before it, one for each server that wrote to the domain.
 */
export function positionOf(gtids: readonly MariadbGtid[]): MariadbGtidPosition {
  return new Map(gtids.map((gtid) => [gtid.domain, gtid]));
}

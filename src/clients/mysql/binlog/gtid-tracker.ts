import type { Flavor } from "../flavor.ts";
import type { BinlogEvent, MariadbGtid, MysqlGtid } from "./event.ts";
import { addGtid, containsSet, type GtidSet, parseGtidSet, printGtidSet } from "./gtid.ts";
import {
  advance,
  type MariadbGtidPosition,
  parseMariadbPosition,
  positionOf,
  printMariadbPosition,
} from "./mariadb-gtid.ts";

/** All GTIDs up to a place, spelled out only when somebody asks. Undefined: they are unknown. */
export type GtidsBefore = { toString(): string } | undefined;

/** Knows which GTIDs were read so far, as soon as it has been told where reading began. */
export type GtidTracker = {
  before(): GtidsBefore;
  /** Takes the head of a file for the start, unless the start is known already. */
  head(event: BinlogEvent): void;
  /** A transaction has ended. */
  add(gtid: MysqlGtid | MariadbGtid): void;
};

/** Throws GTID_INVALID for a `start` that is not the flavor's. */
export function createGtidTracker(flavor: Flavor, start: string | null): GtidTracker {
  return flavor === "mysql" ? mysqlTracker(start) : mariadbTracker(start);
}

function mysqlTracker(start: string | null): GtidTracker {
  let set: GtidSet | undefined = start === null ? undefined : parseGtidSet(start);
  let shown: GtidsBefore;
  return {
    before() {
      const now = set;
      if (now === undefined) return undefined;
      shown ??= lazy(() => printGtidSet(now));
      return shown;
    },
    head(event) {
      if (set === undefined && event.kind === "previous_gtids") set = parseGtidSet(event.set);
    },
    add(gtid) {
      if (set === undefined || !("uuid" in gtid)) return;
      set = addGtid(set, gtid);
      shown = undefined;
    },
  };
}

function mariadbTracker(start: string | null): GtidTracker {
  let position: MariadbGtidPosition | undefined =
    start === null ? undefined : parseMariadbPosition(start);
  let shown: GtidsBefore;
  return {
    before() {
      const now = position;
      if (now === undefined) return undefined;
      shown ??= lazy(() => printMariadbPosition(now));
      return shown;
    },
    head(event) {
      if (position !== undefined || event.kind !== "mariadb_gtid_list" || event.fake) return;
      position = positionOf(event.gtids);
    },
    add(gtid) {
      if (position === undefined || !("domain" in gtid)) return;
      position = advance(position, gtid);
      shown = undefined;
    },
  };
}

/**
 * Whether a transaction is among those before a place, by its GTID. Of MariaDB a lower number says so
 * only where the last one is of the same server: another may have counted on from fewer. Throws
 * GTID_INVALID.
 */
export function isAmong(gtid: string, before: GtidsBefore | null): boolean {
  const text = before?.toString() ?? "";
  // MySQL's alone have a colon.
  if (gtid.includes(":") !== text.includes(":")) return false;
  if (lastAsked.text !== text) lastAsked = { text, has: membersOf(text) };
  return lastAsked.has(gtid);
}

/** What is read once more is asked about the same place, packet by packet. */
let lastAsked = { text: "", has: (_: string) => false };

function membersOf(text: string): (gtid: string) => boolean {
  if (text.includes(":")) {
    const set = parseGtidSet(text);
    return (gtid) => containsSet(set, parseGtidSet(gtid));
  }
  const position = parseMariadbPosition(text);
  return (gtid) => {
    const [own] = parseMariadbPosition(gtid).values();
    const last = own && position.get(own.domain);
    return last !== undefined && last.server === own?.server && own.seq <= last.seq;
  };
}

function lazy(print: () => string): { toString(): string } {
  let text: string | undefined;
  return {
    toString() {
      text ??= print();
      return text;
    },
  };
}

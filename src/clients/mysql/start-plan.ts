import { type Clock, sleep } from "../../clock.ts";
import { DbusError } from "../../errors.ts";
import { parseMariadbPosition } from "./binlog/mariadb-gtid.ts";
import { type MysqlPosition, nextLineage, sameServer } from "./binlog/position.ts";
import type { MysqlConnection } from "./connection.ts";
import {
  type BinlogFile,
  mariadbGtidAt,
  readBinlogEnd,
  readBinlogFiles,
  type ServerFacts,
} from "./server-facts.ts";
import type { DumpStart } from "./syncer.ts";

/** Where a stream without a checkpoint begins. */
export type StartAt =
  | "earliest"
  | "latest"
  | { readonly file: string; readonly pos: number }
  | { readonly gtid: string };

/** How to ask the server for what follows a position, or why it no longer can give it. */
export type StartPlan =
  | { readonly kind: "dump"; readonly start: DumpStart }
  | {
      readonly kind: "lost";
      readonly reason: string;
      /** Where what the server has written since then begins, when it lost the end of a file. */
      readonly next?: MysqlPosition | undefined;
    };

/** The position that `start` means on this server now. */
export async function startPosition(
  connection: MysqlConnection,
  facts: ServerFacts,
  start: StartAt,
): Promise<MysqlPosition> {
  const { lineage } = facts;
  const rest = { lineage, txn: null, rows: 0 };
  if (start === "earliest") {
    const [first] = await readBinlogFiles(connection);
    return { ...rest, file: first?.name ?? "", pos: 4, gtid: null };
  }
  if (start === "latest") return { ...rest, ...(await readBinlogEnd(connection, facts)) };
  if ("gtid" in start) return { ...rest, file: "", pos: 4, gtid: start.gtid };
  const known = facts.flavor === "mariadb" && start.pos > 4;
  const gtid = known ? await mariadbGtidAt(connection, start.file, start.pos) : null;
  return { ...rest, ...start, gtid };
}

/**
 * Compares a position with what the server still has, before it is asked: by GTID set where both
 * sides have one, else by file and offset, which mean nothing on another server. On the server that
 * they come from they count with a set too: after a crash or a reset it gives out the same GTIDs
 * once more, for other transactions. Raises MYSQL_GTID_OFF for a position that has only a set on a
 * server that has none.
 */
export async function planStart(
  connection: MysqlConnection,
  facts: ServerFacts,
  position: MysqlPosition,
  gtid: "auto" | "on" | "off",
  clock: Clock,
): Promise<StartPlan> {
  if (gtid !== "off" && facts.gtidOn && hasGtid(facts, position)) {
    const set = position.gtid ?? "";
    const anew = begunAnew(facts, await readBinlogFiles(connection), position);
    if (anew) return anew;
    const reason =
      facts.flavor === "mysql"
        ? await lostTransactions(connection, set, clock)
        : await purgedState(connection, set);
    if (reason) return { kind: "lost", reason };
    return { kind: "dump", start: { by: "gtid", set } };
  }
  if (position.file === "" && facts.flavor === "mariadb" && position.gtid === "") {
    return planFromNothing(connection);
  }
  if (position.file === "") {
    const message = `${connection.where}: the position is a GTID set, the server has gtid_mode OFF`;
    throw new DbusError("MYSQL_GTID_OFF", message);
  }
  const files = await readBinlogFiles(connection);
  const anew = begunAnew(facts, files, position);
  if (anew) return anew;
  const reason = lostFile(facts, files, position);
  if (reason) return { kind: "lost", reason };
  return { kind: "dump", start: { by: "file", file: position.file, pos: position.pos } };
}

/** MariaDB, nothing read yet: all that it ever wrote, by file since its state would be empty. */
async function planFromNothing(connection: MysqlConnection): Promise<StartPlan> {
  const reason = await purgedState(connection, "");
  if (reason) return { kind: "lost", reason };
  const [first] = await readBinlogFiles(connection);
  return { kind: "dump", start: { by: "file", file: first?.name ?? "", pos: 4 } };
}

/** An empty state makes MariaDB begin with its first file, which may have been purged. */
function hasGtid(facts: ServerFacts, position: MysqlPosition): boolean {
  if (position.gtid === null) return false;
  return facts.flavor === "mysql" || position.gtid !== "";
}

/**
 * MySQL: what was purged and not read, and what was read and is not there. The latter may be a
 * transaction that the server has sent but not finished to commit, so it gets a moment.
 */
async function lostTransactions(
  connection: MysqlConnection,
  set: string,
  clock: Clock,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    const [row] = await connection.query(
      `SELECT GTID_SUBTRACT(@@GLOBAL.gtid_purged, ?) AS purged,
        GTID_SUBTRACT(?, @@GLOBAL.gtid_executed) AS ahead`,
      [set, set],
    );
    const purged = oneLine(row?.purged);
    if (purged) return `the server has purged transactions that were not read: ${purged}`;
    const ahead = oneLine(row?.ahead);
    if (!ahead) return undefined;
    if (attempt === 4) return `the server lacks transactions that were read from it: ${ahead}`;
    await sleep(clock, 500);
  }
}

/**
 * MariaDB keeps no set of what was purged: it is the state at the head of its oldest file. What it
 * lacks of ours it says itself, by an error 1236.
 */
async function purgedState(
  connection: MysqlConnection,
  state: string,
): Promise<string | undefined> {
  const [oldest] = await readBinlogFiles(connection);
  const purged = oldest ? await mariadbGtidAt(connection, oldest.name, 4) : null;
  const read = parseMariadbPosition(state);
  const unread = [...parseMariadbPosition(purged ?? "")].some(
    ([domain, { seq }]) => seq > (read.get(domain)?.seq ?? -1n),
  );
  if (!unread) return undefined;
  return `the server has purged transactions that were not read: up to ${oneLine(purged)}`;
}

function lostFile(
  facts: ServerFacts,
  files: readonly BinlogFile[],
  position: MysqlPosition,
): string | undefined {
  const { lineage, file } = position;
  if (lineage !== "" && !sameServer(lineage, facts.lineage)) {
    return `file and offset are those of server ${lineage}, this is ${facts.lineage}`;
  }
  const found = files.some((each) => each.name === file);
  return found
    ? undefined
    : `${file} is not on the server any more, the oldest is ${files[0]?.name}`;
}

/**
 * The server no longer has what was read from it: a crash cost it the end of a file that it had not
 * synced, or its binlog was reset. What was read there may have been undone.
 */
function begunAnew(
  facts: ServerFacts,
  files: readonly BinlogFile[],
  position: MysqlPosition,
): StartPlan | undefined {
  const { lineage, file, pos } = position;
  if (file === "" || (lineage !== "" && !sameServer(lineage, facts.lineage))) return undefined;
  const at = files.findIndex((each) => each.name === file);
  const found = files[at];
  if (found === undefined) {
    const newest = files.at(-1)?.name ?? "";
    if (numberOf(file, newest) <= numberOf(newest, newest)) return undefined;
    const reason = `${file} was read, but the newest file of the server is ${newest}: it was reset`;
    return { kind: "lost", reason };
  }
  if (pos <= found.bytes) return undefined;
  const reason =
    `${file} ends at ${found.bytes}, before offset ${pos}: ` +
    "the server lost or reset what was read from it";
  // A server that starts begins a new file, so all that it has done since is behind the cut one.
  const after = files[at + 1]?.name;
  const rest = { lineage: facts.lineage, pos: 4, gtid: null, txn: null, rows: 0 };
  return { kind: "lost", reason, next: after === undefined ? undefined : { ...rest, file: after } };
}

/**
 * Where reading goes on after a loss. A server that has begun its binlogs anew gives out the same
 * files and offsets once more, so they get another lineage: whoever compares places must not take
 * what comes now for something old.
 */
export function afterLoss(from: MysqlPosition, to: MysqlPosition): MysqlPosition {
  if (from.lineage === "" || !sameServer(from.lineage, to.lineage)) return to;
  const was = numberOf(from.file, to.file);
  const is = numberOf(to.file, to.file);
  const back = was > is || (from.file === to.file && from.pos > to.pos);
  return { ...to, lineage: back ? nextLineage(from.lineage) : from.lineage };
}

/** Which file of a series it is; 0 when it belongs to another series than `like`. */
function numberOf(file: string, like: string): number {
  const [, base, digits] = /^(.*)\.(\d+)$/.exec(file) ?? [];
  return base !== undefined && like.startsWith(`${base}.`) ? Number(digits) : 0;
}

function oneLine(value: unknown): string {
  const text = String(value ?? "").replaceAll("\n", "");
  return text.length <= 500 ? text : `${text.slice(0, 497)}...`;
}

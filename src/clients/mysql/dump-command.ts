import { DbusError } from "../../errors.ts";

/*
 * The commands of a replica ("Replication Protocol" of the MySQL source docs; MariaDB knows the
 * first two). Integers are little-endian.
 *
 *   COM_REGISTER_SLAVE   = 0x15 serverId:u32 len:u8 host len:u8 user len:u8 password port:u16
 *                          rank:u32 sourceId:u32
 *   COM_BINLOG_DUMP      = 0x12 pos:u32 flags:u16 serverId:u32 file
 *   COM_BINLOG_DUMP_GTID = 0x1e flags:u16 serverId:u32 fileLen:u32 file pos:u64 setLen:u32 set
 *
 * A GTID set in the last one (`Gtid_set::encode` of the server):
 *
 *   set   = count:u64 entry*                       without tags
 *   set   = (1<<56 | count<<8 | 1):u64 entry*      since 8.3, when any entry has a tag
 *   entry = uuid[16] (len<<1:u8 tag)? intervals:u64 (first:u64 afterLast:u64)*
 */

/** What SHOW REPLICAS shows of us: never the account that we use. */
export function registerCommand(serverId: number, host: string): Uint8Array {
  const name = Buffer.from(host.slice(0, 60), "latin1");
  const command = Buffer.alloc(18 + name.length);
  command[0] = 0x15;
  command.writeUInt32LE(serverId, 1);
  command[5] = name.length;
  name.copy(command, 6);
  return command;
}

/** Raises POSITION_LOST for an offset that the command cannot carry: none begins a transaction. */
export function dumpCommand(serverId: number, file: string, pos: number): Uint8Array {
  if (pos > 0xffffffff) {
    throw new DbusError("POSITION_LOST", `offset ${pos} of ${file} is not the start of anything`);
  }
  const name = Buffer.from(file);
  const command = Buffer.alloc(11 + name.length);
  command[0] = 0x12;
  command.writeUInt32LE(pos, 1);
  command.writeUInt32LE(serverId, 7);
  name.copy(command, 11);
  return command;
}

/** Asks for everything that is not in `gtidSet`; the server finds the file. */
export function gtidDumpCommand(serverId: number, gtidSet: string): Uint8Array {
  const useGtid = 0x04;
  const set = encodeGtidSet(gtidSet);
  const command = Buffer.alloc(23);
  command[0] = 0x1e;
  command.writeUInt16LE(useGtid, 1);
  command.writeUInt32LE(serverId, 3);
  command.writeBigUInt64LE(4n, 11);
  command.writeUInt32LE(set.length, 19);
  return Buffer.concat([command, set]);
}

type Entry = { readonly uuid: Buffer; readonly tag: string; readonly intervals: bigint[] };

/**
 * A set as MySQL prints it, e.g. `uuid:1-5:7,uuid:tag:1-3`, in its wire form. Throws
 * CHECKPOINT_CORRUPT for what is no such set.
 */
export function encodeGtidSet(text: string): Buffer {
  const entries = parseEntries(text);
  const tagged = entries.some((entry) => entry.tag !== "");
  const count = BigInt(entries.length);
  const parts = [u64(tagged ? (1n << 56n) | (count << 8n) | 1n : count)];
  for (const { uuid, tag, intervals } of entries) {
    parts.push(uuid);
    if (tagged) parts.push(Buffer.from([tag.length << 1]), Buffer.from(tag));
    parts.push(u64(BigInt(intervals.length / 2)), ...intervals.map(u64));
  }
  return Buffer.concat(parts);
}

/** A tag stands for the intervals after it, up to the next tag or comma. */
function parseEntries(text: string): Entry[] {
  const entries = new Map<string, Entry>();
  for (const source of text.split(",").map((each) => each.trim())) {
    if (source === "") continue;
    const [uuid = "", ...tokens] = source.toLowerCase().split(":");
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) throw malformed(text);
    let tag = "";
    for (const token of tokens.map((each) => each.trim())) {
      if (/^[a-z_][a-z0-9_]{0,31}$/.test(token)) tag = token;
      else addInterval(entries, uuid, tag, token, text);
    }
  }
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

function addInterval(
  entries: Map<string, Entry>,
  uuid: string,
  tag: string,
  token: string,
  text: string,
): void {
  const match = /^([0-9]{1,19})(?:-([0-9]{1,19}))?$/.exec(token);
  if (!match) throw malformed(text);
  const first = BigInt(match[1]!);
  const last = BigInt(match[2] ?? match[1]!);
  if (first < 1n || last < first) throw malformed(text);
  const key = `${uuid}:${tag}`;
  const known = entries.get(key);
  const entry = known ?? { uuid: Buffer.from(uuid.replaceAll("-", ""), "hex"), tag, intervals: [] };
  if (!known) entries.set(key, entry);
  entry.intervals.push(first, last + 1n);
}

function malformed(text: string): DbusError {
  const shown = text.length <= 120 ? text : `${text.slice(0, 117)}...`;
  return new DbusError("CHECKPOINT_CORRUPT", `not a GTID set of MySQL: ${shown}`);
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

import { DbusError } from "../../errors.ts";
import { encodeGtidSet, parseGtidSet } from "./binlog/gtid.ts";

/*
 * The commands of a replica ("Replication Protocol" of the MySQL source docs; MariaDB knows the
 * first two). Integers are little-endian.
 *
 *   COM_REGISTER_SLAVE   = 0x15 serverId:u32 len:u8 host len:u8 user len:u8 password port:u16
 *                          rank:u32 sourceId:u32
 *   COM_BINLOG_DUMP      = 0x12 pos:u32 flags:u16 serverId:u32 file
 *   COM_BINLOG_DUMP_GTID = 0x1e flags:u16 serverId:u32 fileLen:u32 file pos:u64 setLen:u32 set
 *
 * The set in the last one is encoded as `gtid.ts` says.
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

/** Asks for everything that is not in `gtidSet`; the server finds the file. Throws GTID_INVALID. */
export function gtidDumpCommand(serverId: number, gtidSet: string): Uint8Array {
  const useGtid = 0x04;
  const set = encodeGtidSet(parseGtidSet(gtidSet));
  const command = Buffer.alloc(23);
  command[0] = 0x1e;
  command.writeUInt16LE(useGtid, 1);
  command.writeUInt32LE(serverId, 3);
  command.writeBigUInt64LE(4n, 11);
  command.writeUInt32LE(set.length, 19);
  return Buffer.concat([command, set]);
}

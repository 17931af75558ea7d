import { describe, expect, test } from "bun:test";
import { dumpCommand, gtidDumpCommand, registerCommand } from "#src/clients/mysql/dump-command.ts";
import { dumpError } from "#src/clients/mysql/dump-error.ts";
import { mysqlError } from "#src/clients/mysql/mysql-error.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("commands of a replica", () => {
  test("stand on the wire as the protocol says", () => {
    expect(hex(registerCommand(0x01020304, "me"))).toBe("1504030201026d65000000000000000000000000");
    expect(hex(dumpCommand(7, "b.1", 4))).toBe("120400000000000700000062" + "2e31");
    const uuid = "00112233-4455-6677-8899-aabbccddeeff";
    const set =
      "0100000000000000" +
      "00112233445566778899aabbccddeeff" +
      "0100000000000000" +
      "01000000000000000600000000000000";
    expect(hex(gtidDumpCommand(7, `${uuid}:1-5`))).toBe(
      `1e0400${"07000000"}${"00000000"}${"0400000000000000"}${"30000000"}${set}`,
    );
  });

  test("an offset that they cannot carry, and a set that is none, are refused", () => {
    expect(() => dumpCommand(7, "b.1", 2 ** 32)).toThrow(/not the start of anything/);
    expect(() => gtidDumpCommand(7, "nonsense:1")).toThrow(/GTID/);
  });
});

describe("error 1236", () => {
  /** As MySQL 9.7 and MariaDB 10.11 say it, and older versions of both. */
  const texts: readonly (readonly [string, string])[] = [
    ["Could not find first log file name in binary log index file", "POSITION_LOST"],
    ["Client requested source to start replication from position > file size", "POSITION_LOST"],
    [
      "Client requested master to start replication from impossible position; the first event ''",
      "POSITION_LOST",
    ],
    [
      "Cannot replicate because the source purged required binary logs. Replicate the missing",
      "POSITION_LOST",
    ],
    [
      "The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the master has purged binary logs containing GTIDs that the slave requires.",
      "POSITION_LOST",
    ],
    [
      "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and required binlog files have been purged.",
      "POSITION_LOST",
    ],
    [
      "Error: connecting slave requested to start from GTID 0-1-9, which is not in the master's binlog",
      "POSITION_LOST",
    ],
    [
      "Replica has more GTIDs than the source has, using the source's SERVER_UUID.",
      "POSITION_LOST",
    ],
    [
      "A replica with the same server_uuid/server_id as this replica has connected to the source",
      "MYSQL_SERVER_ID_CLASH",
    ],
    [
      "A slave with the same server_uuid as this slave has connected to the master",
      "MYSQL_SERVER_ID_CLASH",
    ],
    [
      "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source",
      "MYSQL_EVENT_TOO_LARGE",
    ],
    ["bogus data in log event; the first event 'b.1' at 4", "MYSQL_BINLOG_CORRUPT"],
    [
      "binlog truncated in the middle of event; consider out of disk space on source",
      "MYSQL_BINLOG_CORRUPT",
    ],
    ["event read from binlog did not pass crc check", "MYSQL_BINLOG_CORRUPT"],
    ["Binary log is not open", "MYSQL_BINLOG_OFF"],
    ["Misconfigured source - replica_id was not set, server id was not set", "MYSQL_SERVER_ID"],
    ["could not find next log; the first event 'b.1' at 4", "MYSQL_DUMP_REFUSED"],
    ["something that nobody has seen yet", "MYSQL_DUMP_REFUSED"],
  ];

  for (const [message, code] of texts) {
    test(`${code}: ${message.slice(0, 60)}`, () => {
      const error = dumpError({ errno: 1236, sqlState: "HY000", message }, "h:1");
      expect(error.code).toBe(code as never);
      expect(error.message).toBe(`h:1: error 1236: ${message}`);
    });
  }

  test("only a position that is gone is POSITION_LOST", () => {
    for (const [message, code] of texts) {
      if (code === "POSITION_LOST") continue;
      const error = dumpError({ errno: 1236, sqlState: "HY000", message }, "h:1");
      expect(error.code).not.toBe("POSITION_LOST");
    }
  });

  test("other numbers keep their own meaning", () => {
    const code = (errno: number) => dumpError({ errno, sqlState: "", message: "m" }, "h:1").code;
    expect(code(4052)).toBe("MYSQL_SERVER_ID_CLASH");
    expect(code(1227)).toBe("MYSQL_GRANT");
    expect(code(1053)).toBe("MYSQL_UNREACHABLE");
    expect(code(1317)).toBe("MYSQL_DUMP_REFUSED");
  });
});

describe("driver errors", () => {
  test("are told apart by number, by name, and by what TLS calls them", () => {
    const code = (error: object) => mysqlError(error, "h:1").code;
    expect(code({ errno: 1040, code: "ER_CON_COUNT_ERROR", message: "x" })).toBe("MYSQL_BUSY");
    expect(code({ errno: 1129, message: "x" })).toBe("MYSQL_BUSY");
    expect(code({ errno: -111, code: "ECONNREFUSED", message: "x" })).toBe("MYSQL_UNREACHABLE");
    expect(code({ code: "ENOTFOUND", message: "x" })).toBe("MYSQL_UNREACHABLE");
    expect(code({ code: "HANDSHAKE_NO_SSL_SUPPORT", message: "x" })).toBe("MYSQL_TLS");
    expect(code({ code: "SELF_SIGNED_CERT_IN_CHAIN", message: "x" })).toBe("MYSQL_TLS");
    expect(code({ errno: 1064, code: "ER_PARSE_ERROR", message: "x" })).toBe("MYSQL_QUERY");
  });
});

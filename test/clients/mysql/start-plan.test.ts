import { describe, expect, test } from "bun:test";
import type { MysqlPosition } from "#src/clients/mysql/binlog/position.ts";
import type { MysqlConnection, MysqlRow } from "#src/clients/mysql/connection.ts";
import type { ServerFacts } from "#src/clients/mysql/server-facts.ts";
import { afterLoss, planStart } from "#src/clients/mysql/start-plan.ts";
import { systemClock } from "#src/clock.ts";

const facts: ServerFacts = {
  ...{ flavor: "mysql", version: "9.7.0", lineage: "u1", serverId: 1, binlogOn: true },
  ...{ format: "ROW", rowImage: "FULL", rowMetadata: "FULL", rowValueOptions: "" },
  ...{ gtidOn: true, account: "'u'@'h'", rowEventBytesMax: 8192 },
};
const mariadb: ServerFacts = { ...facts, flavor: "mariadb" };
const files = [
  { Log_name: "b.000005", File_size: "1000" },
  { Log_name: "b.000006", File_size: "500" },
];

type Answers = { purged?: string; ahead?: string; oldest?: string };

function planOn(server: ServerFacts, at: Partial<MysqlPosition>, answers: Answers = {}) {
  const query = async (sql: string): Promise<MysqlRow[]> => {
    if (sql === "SHOW BINARY LOGS") return files;
    if (sql.includes("GTID_SUBTRACT")) {
      return [{ purged: answers.purged ?? "", ahead: answers.ahead ?? "" }];
    }
    return [{ gtid: answers.oldest ?? null }];
  };
  const connection: MysqlConnection = {
    ...{ where: "h:1", open: true, query, close() {} },
    takeSocket: () => {
      throw new Error("not in this test");
    },
  };
  const position: MysqlPosition = {
    ...{ lineage: "u1", file: "b.000006", pos: 100, gtid: null, txn: null, rows: 0 },
    ...at,
  };
  return planStart(connection, server, position, "auto", systemClock);
}

describe("where to start", () => {
  test("by GTID where both sides have one, else by file and offset", async () => {
    const byGtid = await planOn(facts, { gtid: "u1:1-5", lineage: "another" });
    expect(byGtid).toEqual({ kind: "dump", start: { by: "gtid", set: "u1:1-5" } });
    const byFile = { kind: "dump", start: { by: "file", file: "b.000006", pos: 100 } } as const;
    expect(await planOn(facts, { gtid: null })).toEqual(byFile);
    expect(await planOn({ ...facts, gtidOn: false }, { gtid: "u1:1-5" })).toEqual(byFile);
    // MariaDB would begin with its first file for an empty state.
    expect(await planOn(mariadb, { gtid: "" })).toEqual(byFile);
  });

  test("a file that is gone, one of another server, an offset beyond the end are lost", async () => {
    const reason = async (at: Partial<MysqlPosition>) => {
      const plan = await planOn(facts, at);
      return plan.kind === "lost" ? plan.reason : "not lost";
    };
    expect(await reason({ file: "b.000004" })).toContain("b.000005");
    expect(await reason({ pos: 501 })).toContain("ends at 500");
    expect(await reason({ pos: 500 })).toBe("not lost");
    expect(await reason({ lineage: "another" })).toContain("another");
    expect(await reason({ lineage: "" })).toBe("not lost");
  });

  test("a server that lost the end of a file, or began anew, is noticed with GTIDs too", async () => {
    const set = "u1:1-5";
    expect(await planOn(facts, { gtid: set, file: "b.000005", pos: 1001 })).toEqual({
      kind: "lost",
      reason: expect.stringContaining("ends at 1000, before offset 1001"),
      next: expect.objectContaining({ file: "b.000006", pos: 4, gtid: null, lineage: "u1" }),
    });
    expect(await planOn(facts, { gtid: set, file: "b.000006", pos: 501 })).toMatchObject({
      kind: "lost",
      next: undefined,
    });
    expect(await planOn(facts, { gtid: set, file: "b.000007" })).toMatchObject({
      kind: "lost",
      reason: expect.stringContaining("it was reset"),
    });
    // Purged, of another series, of another server, or by a set alone: the sets decide.
    for (const at of [
      { file: "b.000004" },
      { file: "c.000009" },
      { file: "b.000009", lineage: "another" },
      { file: "" },
    ]) {
      expect((await planOn(facts, { gtid: set, ...at })).kind).toBe("dump");
    }
  });

  test("purged and missing transactions are lost", async () => {
    expect(await planOn(facts, { gtid: "u1:1-5" }, { purged: "u1:6" })).toMatchObject({
      kind: "lost",
      reason: expect.stringContaining("u1:6"),
    });
    const state = { gtid: "0-1-5,1-1-9" };
    expect((await planOn(mariadb, state, { oldest: "0-1-6" })).kind).toBe("lost");
    expect((await planOn(mariadb, state, { oldest: "2-1-1" })).kind).toBe("lost");
    expect((await planOn(mariadb, state, { oldest: "0-1-5" })).kind).toBe("dump");
  });

  test("a position that is only a set needs a server that has sets", async () => {
    const plan = planOn({ ...facts, gtidOn: false }, { file: "", gtid: "u1:1-5" });
    await expect(plan).rejects.toMatchObject({ code: "MYSQL_GTID_OFF" });
  });

  test("what a server writes after it began its binlogs anew has another lineage", () => {
    const at = (lineage: string, file: string, pos = 4): MysqlPosition => ({
      ...{ lineage, file, pos, gtid: null, txn: null, rows: 0 },
    });
    const after = (from: MysqlPosition, to: MysqlPosition) => afterLoss(from, to).lineage;
    expect(after(at("u1", "b.000005"), at("u1", "b.000001"))).toBe("u1#2");
    expect(after(at("u1#2", "b.000002", 900), at("u1", "b.000002", 4))).toBe("u1#3");
    // Files that were purged lie ahead, so nothing comes twice.
    expect(after(at("u1#2", "b.000002"), at("u1", "b.000004"))).toBe("u1#2");
    expect(after(at("u1", "b.000005"), at("u2", "b.000001"))).toBe("u2");
    expect(after(at("", "b.000005"), at("u1", "b.000001"))).toBe("u1");
  });

  test("a position of a server that began anew counts on this server", async () => {
    const { kind } = await planOn(facts, { lineage: "u1#2" });
    expect(kind).toBe("dump");
    expect((await planOn(facts, { lineage: "u2#2" })).kind).toBe("lost");
  });
});

import { expect } from "bun:test";
import { startMysql, useStarted } from "../services/index.ts";
import { seededRandom, testSeed, waitFor } from "../support/index.ts";
import { checkLedger } from "../support/ledger-checker.ts";
import {
  committedChanges,
  createLedger,
  startLedgerWriter,
  tableSums,
} from "../support/ledger-writer.ts";

const services = await useStarted("a MySQL server for the ledger", async () => startMysql());

services.test("the ledger in MySQL tells exactly what its tables have become", async (server) => {
  const random = seededRandom(testSeed("ledger writer"));
  try {
    await createLedger(server);
    const usual = { writer: 1, random, keys: 300, changesMax: 200, pauseMsMax: 0 };
    const large = { ...usual, rowsOf: () => 10_000 };
    for (const [goal, options] of [
      [60, usual],
      [40, usual],
      [1, large],
    ] as const) {
      // The next writer goes on where MySQL says that the last one ended.
      const writer = await startLedgerWriter(server, options);
      const what = `${goal} transactions`;
      await waitFor(() => writer.transactions >= goal, { what, timeoutMs: 30_000 });
      await writer.stop();
      expect(writer.changes).toBeGreaterThan(writer.transactions);
    }
    const committed = await committedChanges(server);
    const seen = committed.map((change) => ({ ...change, intact: true }));
    expect(checkLedger(committed, seen).stale.count).toBe(0);

    const rows = new Map<string, string>();
    for (const { key, op, sum } of committed.filter(({ key }) => key.startsWith("item:"))) {
      if (op === "D") rows.delete(key);
      else rows.set(key, sum);
    }
    const table = await tableSums(server);
    expect(table.size).toBe(rows.size);
    for (const [id, [stored, computed]] of table) {
      expect([id, computed]).toEqual([id, stored]);
      expect(rows.get(`item:${id}`)).toBe(stored);
    }
    const ops = new Set(committed.map(({ op }) => op));
    expect([...ops].sort()).toEqual(["D", "I", "U"]);
    expect(committed.length).toBeGreaterThan(10_000);
  } finally {
    await server.stop();
  }
});

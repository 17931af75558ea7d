import type { Rig } from "./rig.ts";

/** One hardship: what is done, and which rows must have arrived after it. */
export type Phase = {
  readonly name: string;
  readonly what: string;
  /** Ends when the hardship is over; what is left then only has to arrive. */
  run(rig: Rig, say: (text: string) => void): Promise<void>;
  /** Whether memory must stand still while it runs, whatever MySQL has waiting. */
  readonly flat?: boolean;
  /** Whether packets come that are larger than an edge's credit, for which the bound has a part. */
  readonly large?: boolean;
  /** The table, the kind of change, and how many rows. */
  expect(rig: Rig): readonly (readonly [table: string, dml: "I" | "D", rows: number])[];
};

const inserted = (table: string) => (rig: Rig) => [[table, "I", rig.source.count(table)]] as const;

/** Writes at full rate, as fast as MySQL takes it, until the time is over or there is enough. */
async function pour(
  rig: Rig,
  table: string,
  { seconds, rowsMax, pad }: { seconds: number; rowsMax: number; pad: number },
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    if (rig.source.count(table) < rowsMax) await rig.source.insert(table, 5_000, pad);
    else await Bun.sleep(200);
  }
}

/** Writes so many rows a second. */
async function trickle(rig: Rig, table: string, seconds: number, rate: number): Promise<void> {
  const started = performance.now();
  const first = rig.source.count(table);
  for (;;) {
    const passed = (performance.now() - started) / 1000;
    if (passed >= seconds) return;
    const due = Math.floor(passed * rate) - (rig.source.count(table) - first);
    if (due > 0) await rig.source.insert(table, due);
    await Bun.sleep(100);
  }
}

export const phases: readonly Phase[] = [
  {
    name: "slow",
    what: "rows at full rate, an output that takes little",
    flat: true,
    async run(rig) {
      await rig.source.create("slow");
      const { slowSeconds, slowBytesPerSecond } = rig.plan;
      const rate = { type: "rate", bytesPerSecond: slowBytesPerSecond } as const;
      const toxic = rig.proxy.add(rate, { direction: "upstream" });
      const rowsMax = 50_000 + slowSeconds * 8_000;
      await pour(rig, "slow", { seconds: slowSeconds, rowsMax, pad: 96 });
      toxic.remove();
    },
    expect: inserted("slow"),
  },
  {
    name: "blocked",
    what: "rows at full rate, an output that takes nothing",
    flat: true,
    async run(rig) {
      await rig.source.create("blocked");
      const toxic = rig.proxy.add({ type: "blackhole" });
      const { blockedSeconds } = rig.plan;
      // What waits in MySQL is several times what may be in memory.
      const rowsMax = 25_000 + blockedSeconds * 1_000;
      await pour(rig, "blocked", { seconds: blockedSeconds, rowsMax, pad: 4_000 });
      toxic.remove();
    },
    expect: inserted("blocked"),
  },
  {
    name: "burst",
    what: "ten times the rows a second",
    async run(rig) {
      await rig.source.create("burst");
      const { burstSeconds, rowsPerSecond } = rig.plan;
      await trickle(rig, "burst", burstSeconds / 2, rowsPerSecond);
      await trickle(rig, "burst", burstSeconds, rowsPerSecond * 10);
    },
    expect: inserted("burst"),
  },
  {
    name: "backlog",
    what: "what came while the daemon was stopped",
    async run(rig) {
      await rig.stop();
      await rig.source.create("backlog");
      await rig.source.fill("backlog", rig.plan.backlogRows, 50_000);
      await rig.start();
      rig.watch.begin();
    },
    expect: inserted("backlog"),
  },
  {
    name: "delete",
    what: "one statement that deletes as many rows",
    async run(rig) {
      await rig.source.run(`DELETE FROM soak.backlog WHERE id <= ${rig.plan.deleteRows}`);
    },
    expect: (rig) => [["backlog", "D", rig.plan.deleteRows]],
  },
  {
    name: "transaction",
    what: "one transaction, as large as all that",
    async run(rig) {
      await rig.source.create("txn");
      const rowBytes = 1024;
      await rig.source.insert("txn", Math.ceil(rig.plan.transactionBytes / rowBytes), rowBytes);
    },
    expect: inserted("txn"),
  },
  {
    name: "compressed",
    what: "one transaction that MySQL compresses",
    large: true,
    async run(rig) {
      await rig.source.create("zip");
      await rig.source.run("SET SESSION binlog_transaction_compression = ON");
      const rowBytes = 4096;
      await rig.source.insert("zip", Math.ceil(rig.plan.compressedBytes / rowBytes), rowBytes);
      await rig.source.run("SET SESSION binlog_transaction_compression = OFF");
    },
    expect: inserted("zip"),
  },
  {
    name: "row",
    what: "rows as large as that: text, text beyond Latin-1, bytes",
    large: true,
    async run(rig, say) {
      const columns = "id INT NOT NULL PRIMARY KEY, t LONGTEXT, b LONGBLOB";
      await rig.source.create("large", columns);
      const bytes = rig.plan.rowBytes;
      const rows = [
        `1, REPEAT('0123456789abcde ', ${bytes >> 4}), NULL`,
        `2, REPEAT('日本語 ab', ${Math.floor(bytes / 12)}), NULL`,
        `3, NULL, REPEAT(UNHEX('00ff10aa'), ${bytes >> 2})`,
      ];
      for (const row of rows) {
        await rig.source.run(`INSERT INTO soak.large VALUES (${row})`);
        say(`a row of ${Math.round(bytes / 2 ** 20)} MiB`);
      }
    },
    expect: () => [["large", "I", 3]],
  },
];

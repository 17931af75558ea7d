import { expect } from "bun:test";
import { join } from "node:path";
import type { InputStatus } from "#src/api/port.ts";
import { useServices } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../../support/daemon-process.ts";
import { compareLedger } from "../../support/es-ledger.ts";
import { esPeer, freshName } from "../../support/es-peer.ts";
import { seededRandom, testSeed, waitFor } from "../../support/index.ts";
import { aMoment } from "../../support/kill-lane.ts";
import { createLedger, startLedgerWriter } from "../../support/ledger-writer.ts";

/**
 * The proof of `effectively once` for MysqlbinlogInput and EsOutput: whatever is read again after a
 * kill, the index is the table, row by row and value by value, and no replay takes it back.
 */
const rounds = Number(process.env.DBUS_CRASH_ROUNDS ?? 6);
const services = await useServices("mysql", "elasticsearch");

type Config = Readonly<Record<string, unknown>>;

function configOf(port: number, url: string, db: string, dir: string): Config {
  return {
    bus: { window: { packets: 2048 }, checkpointIntervalMs: 200 },
    state: { dir: join(dir, "state") },
    inputs: [
      {
        ...{ name: "ledger", plugin: "MysqlbinlogInput", host: "127.0.0.1", port, user: "root" },
        ...{ password: "", tables: [`${db}.item`, `${db}.txn`], start: "earliest" },
      },
    ],
    outputs: [
      {
        ...{ name: "search", plugin: "EsOutput", match: "ledger", nodes: [url], dates: "sql" },
        // Numbers and dates as they are, whatever the first document makes them look like.
        createIndices: { dynamic: "false" },
        // Small batches, so that kills meet many of them on the way.
        batch: { countMax: 100, lingerMs: 20 },
      },
    ],
  };
}

services.test(
  `fault 72: after ${rounds} times SIGKILL the index is the table, row by row (effectively once)`,
  async ({ mysql, elasticsearch }) => {
    const random = seededRandom(testSeed("elasticsearch kill loop"));
    const db = freshName("es").replace("-", "_");
    const dir = await runDir("es-kill");
    const config = configOf(mysql.port, elasticsearch.url, db, dir);
    const peer = esPeer(elasticsearch.url);
    const daemons: DaemonProcess[] = [];
    const start = async () => {
      const daemon = await startDaemonProcess({ dir, config });
      daemons.push(daemon);
      return daemon;
    };
    const count = async () => {
      const { status, json } = await peer.request("GET", `/${db}.*/_stats/indexing`);
      return status === 200 ? ((json as Stats)._all.primaries.indexing?.index_total ?? 0) : 0;
    };
    try {
      await createLedger(mysql, db);
      const keys = { db, keys: 300, changesMax: 100, pauseMsMax: 20 };
      const writers = await Promise.all(
        [1, 2].map((writer) => {
          const own = seededRandom(random.int(0, 2 ** 31));
          return startLedgerWriter(mysql, { ...keys, writer, random: own });
        }),
      );
      for (let round = 1; round <= rounds; round++) {
        const daemon = await start();
        const before = await count();
        const moving = async () => {
          if (!daemon.running) throw new Error(`dbusd ended by itself:\n${await daemon.log()}`);
          return (await count()) > before;
        };
        await waitFor(moving, { what: "documents to move", timeoutMs: 60_000, intervalMs: 20 });
        await aMoment(random, 400);
        daemon.kill("SIGKILL");
        await daemon.exited;
      }
      const last = await start();
      await Promise.all(writers.map((writer) => writer.stop()));
      let difference = await compareLedger(mysql, elasticsearch.url, { db });
      const same = async () => {
        if (!last.running) throw new Error(`dbusd ended by itself:\n${await last.log()}`);
        difference = await compareLedger(mysql, elasticsearch.url, { db });
        const { missing, left, changed } = difference;
        return missing.length + left.length + changed.length === 0;
      };
      const what = "the index to be the table";
      await waitFor(same, { what, timeoutMs: 60_000, intervalMs: 300 }).catch(() => undefined);
      expect(await last.stop()).toBe(0);
      const { missing, left, changed, rows } = difference;
      expect({ missing, left, changed }).toEqual({ missing: [], left: [], changed: [] });
      expect(rows).toBeGreaterThan(100);

      // All of it once more from the beginning: nothing is taken back on the way.
      const writes = await count();
      const again = await startDaemonProcess({
        dir: join(dir, "replay"),
        config: { ...config, state: { dir: join(dir, "replay", "state") } },
      });
      daemons.push(again);
      await waitFor(() => isThrough(again), {
        what: "all of it to be read again",
        timeoutMs: 60_000,
      });
      expect(await again.stop()).toBe(0);
      expect(await count()).toBe(writes);
      process.stderr.write(`[es kill loop] ${rows} rows, ${writes} documents written\n`);
    } finally {
      for (const daemon of daemons) if (daemon.running) daemon.kill("SIGKILL");
      await peer.request("DELETE", `/${db}.item,${db}.txn?ignore_unavailable=true`);
    }
  },
  600_000,
);

type Stats = {
  readonly _all: { readonly primaries: { readonly indexing?: { readonly index_total: number } } };
};

/** Whether it has read all there is, and settled it. */
async function isThrough({ adminUrl, running }: DaemonProcess): Promise<boolean> {
  if (!running) throw new Error("dbusd ended by itself");
  const answer = await fetch(`${adminUrl}/api/v1/stat`).catch(() => undefined);
  if (!answer?.ok) return false;
  const { inputs } = (await answer.json()) as { inputs: readonly InputStatus[] };
  const [input] = inputs;
  return input !== undefined && input.packets > 0 && input.lagBytes === 0 && input.inFlight === 0;
}

import type { MysqlService } from "../services/index.ts";
import { startLedgerWriter } from "../support/ledger-writer.ts";
import { type Random, seededRandom } from "../support/random.ts";
import type { Journal } from "./journal.ts";
import type { WorkloadPlan } from "./round-plan.ts";

/** Writers that work on whatever happens to the server. */
export type Workload = {
  /** From now on the moments of the plan count. */
  loadBegins(): void;
  stop(): Promise<void>;
};

/** Then they go on row by row: a round that takes long must not drown in its own rows. */
const usualRowsMax = 8_000;
/** Whose connection was lost begins anew with what MySQL holds. */
const againAfterMs = 100;

export function startWorkload(
  server: MysqlService,
  db: string,
  { plan, seed, journal }: { plan: WorkloadPlan; seed: number; journal: Journal },
): Workload {
  let stopping = false;
  let written = 0;
  let largeAt = Number.POSITIVE_INFINITY;
  const stops = new Set<() => Promise<void>>();

  /** The large one is the first that begins after its moment. */
  function rowsOf(random: Random): number {
    if (plan.large !== undefined && performance.now() >= largeAt) {
      largeAt = Number.POSITIVE_INFINITY;
      journal.note(`a transaction of ${plan.large.rows} rows begins`);
      return plan.large.rows;
    }
    const few = written > usualRowsMax ? 1 : Math.min(8, plan.rowsMax);
    const rows = random.int(1, random.chance(0.8) || few === 1 ? few : plan.rowsMax);
    written += rows;
    return rows;
  }

  async function write(writer: number): Promise<void> {
    const random = seededRandom(seed + writer);
    const { keys, pauseMsMax, rowsMax } = plan;
    const options = { db, writer, random, keys, pauseMsMax, changesMax: rowsMax, rowsOf };
    while (!stopping) {
      try {
        const one = await startLedgerWriter(server, options);
        const stop = () => one.stop();
        stops.add(stop);
        if (stopping) await stop();
        await one.ended.finally(() => stops.delete(stop));
      } catch (error) {
        journal.note(`writer ${writer}: ${error instanceof Error ? error.message : error}`);
        await Bun.sleep(againAfterMs);
      }
    }
  }

  const all = Promise.all(Array.from({ length: plan.writers }, (_, index) => write(index + 1)));
  return {
    loadBegins() {
      if (plan.large !== undefined) largeAt = performance.now() + plan.large.atMs;
    },
    async stop() {
      stopping = true;
      // One that fails as it is stopped has told so already.
      await Promise.allSettled([...stops].map((stop) => stop()));
      await all;
    },
  };
}

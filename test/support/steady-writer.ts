import type { MysqlConnection } from "#src/clients/mysql/connection.ts";
import type { MysqlAddress } from "../services/index.ts";
import { clientAt } from "./mysql-client.ts";
import type { Random } from "./random.ts";
import { waitFor } from "./wait-for.ts";

/** Somebody who goes on writing whatever happens to the server. */
export type SteadyWriter = {
  /** Rows of transactions whose COMMIT was answered. */
  readonly confirmed: number;
  /** Ends, after the transaction that is under way. */
  stop(): Promise<void>;
};

/** How each transaction is begun and ended beside its rows, e.g. by a rotation before it. */
export type WriterOptions = {
  readonly random: Random;
  readonly rowsMax?: number;
  between?(client: MysqlConnection): Promise<void>;
};

/**
 * Writes transactions of 1 to `rowsMax` rows into `table (id INT PRIMARY KEY)`, ids upwards from 1
 * and none used twice, so that ids are in the order of commits. When the server goes away it waits
 * for it: whether its last transaction was committed then only the table knows.
 */
export async function steadyWriter(
  at: MysqlAddress,
  table: string,
  { random, rowsMax = 20, between }: WriterOptions,
): Promise<SteadyWriter> {
  let stopped = false;
  let confirmed = 0;
  let id = 0;
  let client = await clientAt(at);

  async function transaction(): Promise<void> {
    const rows = random.int(1, rowsMax);
    await client.query("BEGIN");
    for (let n = 0; n < rows; n++) await client.query(`INSERT INTO ${table} VALUES (${++id})`);
    await client.query("COMMIT");
    confirmed += rows;
    await between?.(client);
  }

  async function run(): Promise<void> {
    while (!stopped) {
      try {
        await transaction();
      } catch {
        client.close();
        client = await waitFor(() => clientAt(at), { what: "the server", timeoutMs: 60_000 });
      }
    }
    client.close();
  }

  const done = run();
  return {
    get confirmed() {
      return confirmed;
    },
    async stop() {
      stopped = true;
      await done;
    },
  };
}

/** What is in the table, in the order in which it was written. */
export async function idsIn(at: MysqlAddress, table: string): Promise<number[]> {
  const client = await clientAt(at);
  const rows = await client.query(`SELECT id FROM ${table} ORDER BY id`);
  client.close();
  return rows.map((row) => Number(row.id));
}

import type { StateDatabase } from "../state/database.ts";
import type { Crash, CrashStore } from "./store.ts";

type Row = Omit<Crash, "firstAt" | "lastAt"> & {
  readonly first_at: number;
  readonly last_at: number;
};

const columns =
  "node, input, resource, partition, position, crashes, code, reason, first_at, last_at";

/** Crashes in the state file. A row is there only while its packet is suspected. */
export function createSqliteCrashStore(database: StateDatabase): CrashStore {
  return {
    list(node) {
      const query = `SELECT ${columns} FROM crash WHERE node = ?`;
      const rows = database.read((db) => db.query<Row, [string]>(query).all(node));
      return rows.map(({ first_at: firstAt, last_at: lastAt, ...row }) => ({
        ...row,
        firstAt,
        lastAt,
      }));
    },
    put(crashes) {
      if (crashes.length === 0) return;
      const query = `INSERT OR REPLACE INTO crash (${columns})
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
      database.write((db) => {
        const statement = db.query<null, (string | number)[]>(query);
        for (const { node, input, resource, partition, position, ...crash } of crashes) {
          const { crashes: times, code, reason, firstAt, lastAt } = crash;
          const key = [node, input, resource, partition, position];
          statement.run(...key, times, code, reason, firstAt, lastAt);
        }
      });
    },
    remove(keys) {
      if (keys.length === 0) return;
      const query = `DELETE FROM crash WHERE node = ? AND input = ? AND resource = ?
        AND partition = ? AND position = ?`;
      database.write((db) => {
        const statement = db.query<null, string[]>(query);
        for (const { node, input, resource, partition, position } of keys) {
          statement.run(node, input, resource, partition, position);
        }
      });
    },
    clear(node) {
      database.write((db) => db.query("DELETE FROM crash WHERE node = ?").run(node));
    },
  };
}

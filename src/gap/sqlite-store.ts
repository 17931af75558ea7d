import { type Clock, systemClock } from "../clock.ts";
import type { StateDatabase } from "../state/database.ts";
import { GAPS_MAX, type Gap, type GapStore } from "./store.ts";

/** Gaps in the state file, oldest first. */
export function createSqliteGapStore(
  database: StateDatabase,
  clock: Clock = systemClock,
): GapStore {
  return {
    put({ input, resource, partition, from, to, reason }) {
      const row = database.write((db) =>
        db
          .query<{ id: number }, (string | number)[]>(
            `INSERT INTO gap (at, input, resource, partition, position_from, position_to, reason)
             VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
          )
          .get(clock.wall(), input, resource, partition, from, to, reason),
      );
      return row?.id ?? 0;
    },
    list({ after = 0, limit = GAPS_MAX } = {}) {
      const most = Math.max(1, Math.min(limit, GAPS_MAX));
      const query = `SELECT id, at, input, resource, partition, position_from AS "from",
          position_to AS "to", reason FROM gap WHERE id > ? ORDER BY id LIMIT ?`;
      return database.read((db) => db.query<Gap, [number, number]>(query).all(after, most));
    },
    count() {
      const query = "SELECT count(*) AS count FROM gap";
      return database.read((db) => db.query<{ count: number }, []>(query).get())?.count ?? 0;
    },
  };
}

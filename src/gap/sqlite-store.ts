import { type Clock, systemClock } from "../clock.ts";
import type { StateDatabase } from "../state/database.ts";
import type { Gap, GapStore } from "./store.ts";

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
    list() {
      const query = `SELECT id, at, input, resource, partition, position_from AS "from",
          position_to AS "to", reason FROM gap ORDER BY id`;
      return database.read((db) => db.query<Gap, []>(query).all());
    },
    count() {
      const query = "SELECT count(*) AS count FROM gap";
      return database.read((db) => db.query<{ count: number }, []>(query).get())?.count ?? 0;
    },
  };
}

import type { Database } from "bun:sqlite";
import { type Clock, systemClock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import { isJson } from "../format/is-json.ts";
import type { StateDatabase } from "../state/database.ts";
import { checkPosition, keyName } from "./position-text.ts";
import type { Checkpoint, CheckpointOwner, CheckpointStore, Commit } from "./store.ts";

type Row = {
  readonly input: string;
  readonly resource: string;
  readonly partition: string;
  readonly position: string;
  readonly epoch: number;
  readonly committed_at: number;
  readonly crc: number;
};

const columns = "input, resource, partition, position, epoch, committed_at, crc";
const ofKey = "input = ? AND resource = ? AND partition = ?";

/**
 * Checkpoints in the state file. SQLite keeps no checksums of its own, so each row carries one: a
 * position with a flipped digit would be read as another place, and rows between would be lost.
 */
export function createSqliteCheckpointStore(
  database: StateDatabase,
  clock: Clock = systemClock,
): CheckpointStore {
  return {
    async get({ input, resource, partition }) {
      const query = `SELECT ${columns} FROM checkpoint WHERE ${ofKey}`;
      const row = database.read((db) =>
        db.query<Row, string[]>(query).get(input, resource, partition),
      );
      if (!row) database.read((db) => refuseStrays(db, undefined));
      return row && checkpointOf(row);
    },
    async list(of) {
      const query = `SELECT ${columns} FROM checkpoint
        WHERE (?1 IS NULL OR input = ?1) AND (?2 IS NULL OR resource = ?2)
        ORDER BY input, resource, partition`;
      const only: [string | null, string | null] = [of?.input ?? null, of?.resource ?? null];
      const rows = database.read((db) => db.query<Row, typeof only>(query).all(...only));
      database.read((db) => refuseStrays(db, rows.length === 0 ? undefined : of));
      return rows.map(checkpointOf);
    },
    async commit(commits) {
      if (commits.length === 0) return;
      for (const commit of commits) checkPosition(commit);
      const at = clock.wall();
      database.write((db) => {
        for (const commit of commits) commitOne(db, commit, at);
      });
    },
    async remove({ input, resource, partition }) {
      const query = `DELETE FROM checkpoint WHERE ${ofKey}`;
      database.write((db) => db.query(query).run(input, resource, partition));
    },
    async close() {},
  };
}

/** The epoch is compared by the statement that writes, within the transaction (invariant 7). */
function commitOne(db: Database, commit: Commit, at: number): void {
  const { input, resource, partition, position, epoch } = commit;
  const statement = db.query(
    `INSERT INTO checkpoint (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET position = excluded.position, epoch = excluded.epoch,
       committed_at = excluded.committed_at, crc = excluded.crc
     WHERE checkpoint.epoch <= excluded.epoch`,
  );
  const { changes } = statement.run(
    input,
    resource,
    partition,
    position,
    epoch,
    at,
    checksum(input, resource, partition, position, epoch),
  );
  if (changes === 0) throw new DbusError("STALE_EPOCH", `${keyName(commit)} has a newer epoch`);
}

/**
 * A row whose name is damaged is found under no name. Whoever finds none of its own must not begin
 * anew while there is a damaged row: it may be the one. Of several, one that is missing is known by
 * its checksum, which fits under the owner's name.
 */
function refuseStrays(db: Database, of: CheckpointOwner | undefined): void {
  for (const row of db.query<Row, []>(`SELECT ${columns} FROM checkpoint`).all()) {
    if (fits(row)) continue;
    if (of && !fits({ ...row, input: of.input, resource: of.resource })) continue;
    const what = `${keyName(row)} does not fit its checksum, so its name may be another's`;
    throw new DbusError("CHECKPOINT_CORRUPT", what);
  }
}

function fits({ input, resource, partition, position, epoch, crc }: Row): boolean {
  return crc === checksum(input, resource, partition, position, epoch) && isJson(position);
}

function checkpointOf({ committed_at: committedAt, crc, ...row }: Row): Checkpoint {
  if (!fits({ ...row, crc, committed_at: committedAt })) {
    throw new DbusError("CHECKPOINT_CORRUPT", `${keyName(row)} does not fit its checksum`);
  }
  return { ...row, committedAt };
}

function checksum(...parts: readonly (string | number)[]): number {
  return Bun.hash.crc32(JSON.stringify(parts));
}

import { z } from "zod";
import { DbusError } from "#src/errors.ts";
import type { StateDatabase } from "../state/database.ts";
import type { LocalEntry, LocalLog } from "./local-log.ts";

type Row = {
  readonly rid: string;
  readonly fence: number;
  readonly seq: number;
  readonly positions: string;
  readonly at: number;
  readonly crc: number;
};

const positionsSchema = z.record(z.string(), z.string());

/** In the state file, a row a resource, each with a checksum as checkpoints have it. */
export function createSqliteLocalLog(database: StateDatabase): LocalLog {
  return {
    read(rid) {
      const query = "SELECT rid, fence, seq, positions, at, crc FROM local_log WHERE rid = ?";
      const row = database.read((db) => db.query<Row, [string]>(query).get(rid));
      return row && entryOf(row);
    },
    write(entries) {
      if (entries.length === 0) return;
      database.write((db) => {
        const statement = db.query(
          `INSERT OR REPLACE INTO local_log (rid, fence, seq, positions, at, crc)
           VALUES (?, ?, ?, ?, ?, ?)`,
        );
        for (const { rid, fence, seq, at, positions } of entries) {
          const text = JSON.stringify(positions);
          const when = Math.round(at);
          statement.run(rid, fence, seq, text, when, checksum(rid, fence, seq, text));
        }
      });
    },
    remove(rid) {
      database.write((db) => db.query("DELETE FROM local_log WHERE rid = ?").run(rid));
    },
  };
}

function entryOf({ rid, fence, seq, positions, at, crc }: Row): LocalEntry {
  if (crc === checksum(rid, fence, seq, positions)) {
    return { rid, fence, seq, at, positions: positionsSchema.parse(JSON.parse(positions)) };
  }
  const what = `the local checkpoint of ${rid} does not fit its checksum`;
  throw new DbusError("CHECKPOINT_CORRUPT", what);
}

function checksum(...parts: readonly (string | number)[]): number {
  return Bun.hash.crc32(JSON.stringify(parts));
}

import { type Clock, systemClock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import type { StateDatabase } from "../state/database.ts";
import { decodePacket, encodePacket } from "./packet-codec.ts";
import { PAGE_BYTES_MAX, pageLimit } from "./page.ts";
import type { DeadLetter, DeadLetterStore, NewDeadLetter } from "./store.ts";

type Row = {
  readonly id: number;
  readonly at: number;
  readonly node: string;
  readonly input: string;
  readonly resource: string;
  readonly partition: string;
  readonly ident: string;
  readonly position: string;
  readonly code: string;
  readonly reason: string;
  readonly crashes: number;
  readonly crashed_at: number | null;
  readonly packet: string;
  readonly crc: number;
  readonly redriven_at: number | null;
};

const columns =
  "id, at, node, input, resource, partition, ident, position, code, reason, crashes, crashed_at, " +
  "packet, crc, redriven_at";

/** Dead letters in the state file. There may be any number of them: none is ever dropped. */
export function createSqliteDeadLetterStore(
  database: StateDatabase,
  clock: Clock = systemClock,
): DeadLetterStore {
  return {
    put(letters) {
      if (letters.length === 0) return [];
      const at = clock.wall();
      const rows = letters.map((letter) => ({ letter, packet: encodePacket(letter.packet) }));
      return database.write((db) => {
        const statement = db.query<{ id: number }, (string | number | null)[]>(
          `INSERT INTO dead_letter (at, node, input, resource, partition, ident, position, code,
             reason, crashes, crashed_at, packet, crc)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
        );
        return rows.map(({ letter, packet }) => {
          const row = statement.get(at, ...fieldsOf(letter), packet, Bun.hash.crc32(packet));
          return row?.id ?? 0;
        });
      });
    },
    list(query = {}) {
      const { node = null, input = null, after = 0 } = query;
      const page: DeadLetter[] = [];
      let bytes = 0;
      database.read((db) => {
        const rows = db.query<Row, (string | number | null)[]>(
          `SELECT ${columns} FROM dead_letter WHERE id > ?1 AND (?2 IS NULL OR node = ?2)
             AND (?3 IS NULL OR input = ?3) ORDER BY id LIMIT ?4`,
        );
        for (const row of rows.iterate(after, node, input, pageLimit(query))) {
          bytes += row.packet.length;
          // One letter may be as large as it likes, a page may not.
          if (page.length > 0 && bytes > PAGE_BYTES_MAX) break;
          page.push(letterOf(row));
        }
      });
      return page;
    },
    get(id) {
      const query = `SELECT ${columns} FROM dead_letter WHERE id = ?`;
      const row = database.read((db) => db.query<Row, [number]>(query).get(id));
      return row && letterOf(row);
    },
    count() {
      const query = "SELECT count(*) AS count FROM dead_letter";
      return database.read((db) => db.query<{ count: number }, []>(query).get())?.count ?? 0;
    },
    markRedriven(ids) {
      const at = clock.wall();
      database.write((db) => {
        const statement = db.query("UPDATE dead_letter SET redriven_at = ? WHERE id = ?");
        for (const id of ids) statement.run(at, id);
      });
    },
    remove(ids) {
      database.write((db) => {
        const statement = db.query("DELETE FROM dead_letter WHERE id = ?");
        for (const id of ids) statement.run(id);
      });
    },
  };
}

function fieldsOf(letter: NewDeadLetter): (string | number | null)[] {
  const { node, input, resource, partition, ident, position, code, reason } = letter;
  const { crashes, crashedAt } = letter;
  return [node, input, resource, partition, ident, position, code, reason, crashes, crashedAt];
}

function letterOf(from: Row): DeadLetter {
  const { crc, packet: text, redriven_at: redrivenAt, crashed_at: crashedAt, ...row } = from;
  if (crc !== Bun.hash.crc32(text)) {
    const message = `dead letter ${row.id} does not fit its checksum`;
    throw new DbusError("STATE_CORRUPT", message);
  }
  return { ...row, crashedAt, packet: decodePacket(text), redrivenAt };
}

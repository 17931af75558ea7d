import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DbusError } from "../../errors.ts";
import type { TableModel } from "./ddl/table-model.ts";

/** A place in the binlogs of one server. */
export type LogPlace = { readonly lineage: string; readonly file: string; readonly pos: number };

/** From `file:pos` on a table was like this; null: nobody knows what it was like. */
type Version = {
  readonly file: string;
  readonly pos: number;
  readonly model: TableModel | null;
  readonly created: number | null;
};

type Stored = {
  readonly lineage: string;
  readonly tables: Record<string, readonly Version[]>;
};

export type TableAtPlace = {
  readonly db: string;
  readonly table: string;
  readonly model: TableModel;
  /** Set when it may hold more than the stream told by then, of this second of the server. */
  readonly created: number | null;
};

/** What tables were like along the binlog that was read: for who reads a piece of it again. */
export type SchemaHistory = {
  /**
   * What is known at a place, of those tables of which it is known. Nothing at a place that the
   * history did not reach: a person may have jumped over statements.
   */
  at(place: LogPlace): readonly TableAtPlace[];
  /** Forgets everything: from now on places are those of another server, or after a gap. */
  restart(lineage: string): void;
  /** From this place on the table is like this; null: nobody knows. */
  note(place: LogPlace, table: Omit<TableAtPlace, "model"> & Pick<Version, "model">): void;
  /** Everything up to here was looked at. */
  reached(place: LogPlace): void;
  /** Writes down what is not written yet, durably enough for a killed process. */
  save(): Promise<void>;
};

const versionsMax = 16;
const tablesMax = 2_000;

/**
 * Keeps the history in two files of `dir`, made when needed; without `dir` it lasts as long as
 * the process. Files that cannot be read are as good as none. Raises STATE_UNWRITABLE.
 */
export async function openSchemaHistory(dir: string | undefined): Promise<SchemaHistory> {
  const historyFile = dir && join(dir, "schema-history.json");
  const reachedFile = dir && join(dir, "schema-reached.json");
  let lineage = "";
  let tables = new Map<string, readonly Version[]>();
  let reached: LogPlace | undefined;
  let historyDirty = false;
  let reachedDirty = false;

  const stored = await readJson<Stored>(historyFile);
  if (stored?.tables) {
    lineage = stored.lineage;
    tables = new Map(Object.entries(stored.tables));
    reached = await readJson<LogPlace>(reachedFile);
  }

  async function write(name: string, value: unknown): Promise<void> {
    if (dir === undefined) return;
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeFile(`${name}.new`, sealed(JSON.stringify(value)), { mode: 0o600 });
      await rename(`${name}.new`, name);
    } catch (cause) {
      throw new DbusError("STATE_UNWRITABLE", `cannot write ${name}`, { cause });
    }
  }

  return {
    at(place) {
      if (!reached || place.lineage !== lineage || !isAtOrBefore(place, reached)) return [];
      return [...tables].flatMap(([key, versions]) => {
        const version = versions.findLast((each) => isAtOrBefore(each, place));
        const [db = "", table = ""] = key.split("\0");
        if (!version?.model) return [];
        return [{ db, table, model: version.model, created: version.created }];
      });
    },
    restart(other) {
      lineage = other;
      tables = new Map();
      reached = undefined;
      historyDirty = true;
      reachedDirty = true;
    },
    note({ file, pos }, { db, table, model, created }) {
      const key = `${db}\0${table}`;
      const versions = tables.get(key) ?? [];
      const last = versions.at(-1);
      if (last && JSON.stringify(last.model) === JSON.stringify(model)) return;
      // Read again from an earlier place, the later versions come again too.
      const before = versions.filter((each) => isAtOrBefore(each, { file, pos }));
      if (before.length < versions.length && reached) reached = { ...reached, file, pos };
      tables.delete(key);
      tables.set(key, [...before, { file, pos, model, created }].slice(-versionsMax));
      const oldest = tables.keys().next().value;
      if (tables.size > tablesMax && oldest !== undefined) tables.delete(oldest);
      historyDirty = true;
    },
    reached(place) {
      if (reached && place.lineage === reached.lineage && isAtOrBefore(place, reached)) return;
      reached = place;
      reachedDirty = true;
    },
    async save() {
      // What could not be written, on a full disk say, is written by a later call.
      if (historyDirty && historyFile) {
        historyDirty = false;
        await write(historyFile, { lineage, tables: Object.fromEntries(tables) }).catch((error) => {
          historyDirty = true;
          throw error;
        });
      }
      if (reachedDirty && reachedFile) {
        reachedDirty = false;
        await write(reachedFile, reached ?? null).catch((error) => {
          reachedDirty = true;
          throw error;
        });
      }
    },
  };
}

async function readJson<T>(file: string | undefined): Promise<T | undefined> {
  if (file === undefined) return undefined;
  try {
    const json = unsealed(await readFile(file, "utf8"));
    return json === undefined ? undefined : ((JSON.parse(json) as T) ?? undefined);
  } catch {
    return undefined;
  }
}

/** With its checksum before it: a flipped bit in the name of a column would be believed. */
function sealed(json: string): string {
  return `${Bun.hash.crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
}

function unsealed(text: string): string | undefined {
  const json = text.slice(9, -1);
  return text === sealed(json) ? json : undefined;
}

type FilePlace = { readonly file: string; readonly pos: number };

/** File names compare by their number, which grows from six digits to seven. */
function isAtOrBefore(a: FilePlace, b: FilePlace): boolean {
  if (a.file === b.file) return a.pos <= b.pos;
  const [first, second] = [a.file, b.file].map((name) => /^(.*)\.(\d+)$/.exec(name));
  if (!first || !second || first[1] !== second[1]) return false;
  return Number(first[2]) < Number(second[2]);
}

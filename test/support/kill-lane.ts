import { Database } from "bun:sqlite";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Random } from "./random.ts";

/** The line of the log that input `log` follows; all are of one length, so offsets are numbers. */
const LINE = 16;
const windowPackets = 256;
/** Rows a second of input `rows`. */
const rate = 5_000;

/** Some moment of the next `msMax` milliseconds: its subject is when, so it is waited for. */
export function aMoment(random: Random, msMax: number): Promise<void> {
  return Bun.sleep(random.int(0, msMax));
}

/** What a killed process has left: the numbers in both files, and the checkpoints. */
export type Left = {
  readonly log: readonly number[];
  readonly rows: readonly number[];
  /** How many packets of each input are settled as the checkpoint tells; 0 without one. */
  readonly logDone: number;
  readonly rowsDone: number;
  /** Unix milliseconds of the checkpoint of `rows`; undefined without one. */
  readonly committedAt: number | undefined;
};

/**
 * A bus that needs no server, on one data folder: a log that is followed and rows at a rate, each
 * copied into a file of its own. Whoever kills it checks with `left` what it has left.
 */
export type KillLane = {
  readonly dir: string;
  readonly argv: readonly string[];
  readonly outputs: readonly string[];
  readonly appended: number;
  append(lines: number): void;
  /** Bytes in both files. */
  written(): number;
  left(): Left;
};

export type KillLaneOptions = {
  /** The bus ends by itself after so many rows and what is in the log; unless told it never does. */
  readonly rows?: number;
};

export function killLane(dir: string, { rows: count }: KillLaneOptions = {}): KillLane {
  mkdirSync(dir, { recursive: true });
  const source = join(dir, "app.log");
  writeFileSync(source, "");
  const to = (name: string) => join(dir, `${name}.ndjson`);
  const batch = { countMax: 64, lingerMs: 0 };
  const follow = count === undefined ? { follow: true, pollMs: 5 } : {};
  const made = count === undefined ? { rate } : { rate: 2 * rate, batch: 50, count };
  const onFinished = count === undefined ? "stay" : "exit";
  const config = {
    bus: { window: { packets: windowPackets }, checkpointIntervalMs: 20, onFinished },
    state: { dir: join(dir, "state") },
    admin: { enabled: false },
    inputs: [
      { name: "log", plugin: "StreamInput", file: source, lines: "ndjson", ...follow },
      { name: "rows", plugin: "MockInput", payload: "rows", ...made },
    ],
    outputs: ["log", "rows"].map((match) => ({
      ...{ name: `${match}-copy`, plugin: "StreamOutput", match, file: to(match), batch },
    })),
  };
  const file = join(dir, "dbus.yaml");
  writeFileSync(file, JSON.stringify(config));
  const repo = join(import.meta.dir, "../..");
  const outputs = [to("log"), to("rows")];
  const size = (path: string) => (existsSync(path) ? statSync(path).size : 0);
  let appended = 0;
  return {
    dir,
    argv: [process.execPath, join(repo, "src/cli/dbusd.ts"), file],
    outputs,
    get appended() {
      return appended;
    },
    append(lines) {
      let text = "";
      for (let i = 0; i < lines; i++) text += `${`{"n":${appended++}}`.padEnd(LINE - 1)}\n`;
      appendFileSync(source, text);
    },
    written: () => outputs.reduce((sum, path) => sum + size(path), 0),
    left() {
      const stored = checkpointsIn(join(dir, "state", "state.db"));
      const log = stored.find(({ input }) => input === "log");
      const rows = stored.find(({ input }) => input === "rows");
      return {
        log: numbersIn(to("log"), "n"),
        rows: numbersIn(to("rows"), "pos"),
        logDone: log ? (JSON.parse(log.position) as { offset: number }).offset / LINE : 0,
        rowsDone: rows ? Number(rows.position) : 0,
        committedAt: rows?.committed_at,
      };
    },
  };
}

/** The numbers of the whole lines; a line that is torn must be the last one. */
function numbersIn(path: string, field: "n" | "pos"): number[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { n: number; pos: number })[field]);
}

type Row = { readonly input: string; readonly position: string; readonly committed_at: number };

/** Read by SQLite alone, not by the code under test; none while there is no table yet. */
function checkpointsIn(path: string): Row[] {
  if (!existsSync(path) || statSync(path).size === 0) return [];
  const db = new Database(path, { readwrite: true, create: false });
  try {
    const table = "SELECT 1 FROM sqlite_schema WHERE name = 'checkpoint'";
    if (!db.query(table).get()) return [];
    return db.query<Row, []>("SELECT input, position, committed_at FROM checkpoint").all();
  } finally {
    db.close();
  }
}

/**
 * Holds what is left to delivery.md: no checkpoint passes what is not in the files (invariant 1) or
 * goes back, what came first is in order without a gap (invariant 3), and what is in the files beyond
 * the checkpoint, which is what comes twice, is no more than the window and what the checkpoint
 * could not cover yet. Answers how many that are.
 */
export function checkLeft(left: Left, before: Left | undefined, killedAt: number): number {
  const firsts = (numbers: readonly number[], name: string) => {
    let next = 0;
    for (const n of numbers) {
      if (n > next) throw new Error(`${name} ${next} is missing before ${n}`);
      if (n === next) next++;
    }
    return next;
  };
  const log = firsts(left.log, "log");
  const rows = firsts(left.rows, "rows");
  for (const [name, done, there] of [
    ["log", left.logDone, log],
    ["rows", left.rowsDone, rows],
  ] as const) {
    if (done > there) throw new Error(`the checkpoint of ${name} is ${done}, written is ${there}`);
  }
  if (left.logDone < (before?.logDone ?? 0) || left.rowsDone < (before?.rowsDone ?? 0)) {
    throw new Error(`a checkpoint went back: ${left.logDone}, ${left.rowsDone}`);
  }
  const again = rows - left.rowsDone;
  // After a second without room the rate begins anew, and until then it makes up for the time.
  const age = left.committedAt === undefined ? Infinity : killedAt - left.committedAt;
  const bound = windowPackets + (rate * (Math.max(0, age) + 1_000)) / 1000;
  if (again > bound) throw new Error(`${again} rows would come again, ${bound} is the bound`);
  return again + log - left.logDone;
}

import mysql from "mysql2/promise";
import type { KafkaWitness } from "../support/kafka-topic.ts";
import { say } from "./bench.ts";
import type { Measured, Usage } from "./measure.ts";

/** How the rows of a workload came to Kafka through one program. */
export type Delivery = {
  /** From the start of the process until the last record could be read. */
  readonly wholeSeconds: number;
  /** From the moment at which MySQL began to send its binlog. */
  readonly streamSeconds: number;
  readonly usage: Usage;
};

export type Expected = {
  readonly mysqlPort: number;
  /** The dumps that were there before the program. */
  readonly dumpsBefore: ReadonlySet<number>;
  readonly topic: string;
  readonly rows: number;
  /** The row's number in one record's value; throws when it is not an inserted row. */
  readonly idOf: (value: Buffer) => unknown;
};

const pollMs = 10;
/** A program that neither begins nor goes on for so long has failed, whatever it is waiting for. */
const stallSecondsMax = 60;

/** The dumps that the server lists now: those of programs that ended stay for a while. */
export async function dumpsOf(port: number): Promise<ReadonlySet<number>> {
  const db = await connect(port);
  try {
    return new Set(await listDumps(db));
  } finally {
    await db.end();
  }
}

/**
 * Waits until the rows can be read from Kafka, then stops the program and checks that each row is
 * there exactly once and in order. Both ends of the time are seen by the servers, not by the
 * program: MySQL lists the binlog dump, Kafka answers the high watermark.
 */
export async function awaitDelivery(
  program: Measured,
  witness: KafkaWitness,
  expected: Expected,
): Promise<Delivery> {
  const dumpedAt = await firstDump(program, expected);
  let told = performance.now();
  let last = { readable: 0, at: told };
  for (;;) {
    const readable = await witness.readable(expected.topic);
    const now = performance.now();
    if (readable >= expected.rows) break;
    if (readable > last.readable) last = { readable, at: now };
    await requireAlive(program, last.at, `${readable} of ${expected.rows} rows`);
    if (now - told > 5_000) {
      say(`${readable} of ${expected.rows} rows`);
      told = now;
    }
    await Bun.sleep(pollMs);
  }
  const done = performance.now();
  const usage = program.usage();
  await program.stop();
  await verify(witness, expected);
  return {
    wholeSeconds: (done - program.startedAt) / 1000,
    streamSeconds: (done - dumpedAt) / 1000,
    usage,
  };
}

/** The time at which the server first lists a new reader of its binlog. */
async function firstDump(program: Measured, { mysqlPort, dumpsBefore }: Expected): Promise<number> {
  const db = await connect(mysqlPort);
  try {
    for (;;) {
      const dumps = await listDumps(db);
      if (dumps.some((id) => !dumpsBefore.has(id))) return performance.now();
      await requireAlive(program, program.startedAt, "no binlog dump");
      await Bun.sleep(pollMs);
    }
  } finally {
    await db.end();
  }
}

async function requireAlive(program: Measured, since: number, what: string): Promise<void> {
  const stalled = performance.now() - since > stallSecondsMax * 1000;
  if (program.running && !stalled) return;
  const why = program.running ? `stands still for ${stallSecondsMax} s` : "ended";
  throw new Error(`${why} at ${what}:\n${await program.logTail()}`);
}

function connect(port: number): Promise<mysql.Connection> {
  return mysql.createConnection({ host: "127.0.0.1", port, user: "root", password: "" });
}

async function listDumps(db: mysql.Connection): Promise<number[]> {
  const [threads] = await db.query<mysql.RowDataPacket[]>("SHOW PROCESSLIST");
  return threads
    .filter((thread) => String(thread.Command).startsWith("Binlog Dump"))
    .map((thread) => Number(thread.Id));
}

async function verify(witness: KafkaWitness, expected: Expected): Promise<void> {
  let next = 1;
  const records = await witness.readAll(expected.topic, (record) => {
    if (record.value === null) throw new Error(`a tombstone at offset ${record.offset}`);
    const id = expected.idOf(record.value);
    if (id !== next) throw new Error(`row ${id} at offset ${record.offset}, ${next} was due`);
    next++;
  });
  if (records !== expected.rows) throw new Error(`${records} records for ${expected.rows} rows`);
  say(`each of ${records} rows is in Kafka once and in order`);
}

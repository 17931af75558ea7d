import { createBinlogDecoder } from "#src/clients/mysql/binlog/decoder.ts";
import { eventsOf } from "#src/clients/mysql/binlog/event.ts";
import { createRowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import { JsonText, type Packet, type Value } from "#src/flow/packet.ts";
import { createFormat } from "#src/format/format.ts";
import { rowsAtOnce } from "../../support/binlog-rows.ts";
import type { Random } from "../../support/random.ts";
import { claim, codeOf, type FuzzInput, type FuzzTarget } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";
import {
  insideOf,
  payloadEvent,
  type RecordedBinlog,
  recordedBinlogs,
  sealed,
} from "./binlog-log.ts";
import { checkText, generateText, isText } from "./binlog-texts.ts";

/** Whole events one behind another; `sound` of them are as they were recorded. */
type Note = {
  readonly log: string;
  readonly flavor: "mysql" | "mariadb";
  /** How many events of the recorded log come unchanged before the one that was changed. */
  readonly sound: number;
  /** Which transactions of the log these are, the first included, the last not. */
  readonly from: number;
  readonly to: number;
  /** Whether the changed event has got a checksum that is right for it. */
  readonly sealed: boolean;
};

export const binlogEvents: FuzzTarget = {
  name: "binlog-events",
  summary: "recorded binlogs, changed under right and wrong checksums; no wrong row",
  growthMiBMax: 500,
  async open(corpus) {
    const logs = await recordedBinlogs();
    const rowsOfLog = await createOriginals(logs);
    const bodies = [
      ...logs.flatMap((log) => log.transactions.flat().map((event) => event.subarray(19, -4))),
      ...corpus.map(({ bytes }) => bytes),
    ];
    return {
      generate: (random) =>
        random.chance(0.25) ? generateText(random) : generate(random, logs, bodies),
      run: (input) => (isText(input) ? checkText(input) : check(input, rowsOfLog)),
    };
  },
};

function generate(
  random: Random,
  logs: readonly RecordedBinlog[],
  others: readonly Uint8Array[],
): FuzzInput {
  const log = random.chance(0.02) ? logs.at(-1)! : random.pick(logs.slice(0, -1));
  const from = random.int(0, log.transactions.length - 1);
  const to = Math.min(log.transactions.length, from + random.int(1, 2));
  const events = [...log.head, ...log.transactions.slice(from, to).flat()];
  const sound = random.chance(0.1)
    ? random.int(0, log.head.length - 1)
    : random.int(log.head.length, events.length - 1);
  const note = { log: log.name, flavor: log.flavor, sound, from, to };
  const event = events[sound]!;
  const kind = random.int(0, 19);
  if (kind === 0) return joined({ ...note, sealed: true }, disordered(events, sound, random));
  if (kind <= 2) {
    const changed = mutate(event, random, { others });
    return joined({ ...note, sealed: false }, [...events.slice(0, sound), changed]);
  }
  events[sound] = changedEvent(event, random, others);
  return joined({ ...note, sealed: true }, events);
}

function joined(note: Note, events: readonly Uint8Array[]): FuzzInput {
  const bytes = events.flatMap((event) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(event.length);
    return [length, event];
  });
  return { note, bytes: Buffer.concat(bytes) };
}

/** One that is missing, doubled or at another place. */
function disordered(events: readonly Buffer[], at: number, random: Random): readonly Buffer[] {
  const other = random.int(at, events.length - 1);
  const rest = events.toSpliced(at, 1);
  if (random.chance(0.3)) return rest;
  return random.chance(0.5)
    ? events.toSpliced(other, 0, events[at]!)
    : rest.toSpliced(other, 0, events[at]!);
}

const transactionPayload = 40;

/** Another body, or another header, under a size and a checksum that are right. */
function changedEvent(event: Buffer, random: Random, others: readonly Uint8Array[]): Buffer {
  const body = event.subarray(19, -4);
  if (event[4] === transactionPayload && random.chance(0.7)) {
    const inner = [...insideOf(event)];
    const at = random.int(0, inner.length - 1);
    const one = inner[at];
    if (one) inner[at] = sealed(one, mutate(one.subarray(19), random, { others }), false);
    return payloadEvent(event, inner);
  }
  const header = Buffer.from(event.subarray(0, 19));
  const what = random.next();
  if (what < 0.08) header[4] = random.int(0, 171);
  else if (what < 0.15) mutate(header, random, { changesMax: 2 }).copy(header, 0, 0, 9);
  return sealed(header, mutate(body, random, { others, changesMax: 4 }));
}

/** The rows of each event, as text. */
type Originals = (note: Note) => readonly (readonly string[])[];

/** What the recorded events come to; it depends on nothing but where reading begins. */
async function createOriginals(logs: readonly RecordedBinlog[]): Promise<Originals> {
  const known = new Map<string, readonly (readonly string[])[]>();
  for (const log of logs) {
    for (const from of log.transactions.keys()) {
      const rows: string[][] = [];
      const reader = createReader(log.flavor);
      for (const event of [...log.head, ...log.transactions.slice(from, from + 2).flat()]) {
        rows.push((await reader(event)).map(spellPacket));
      }
      known.set(`${log.name} ${from}`, rows);
    }
  }
  return ({ log, from }) => known.get(`${log} ${from}`) ?? [];
}

/** Decodes one event after another, as an input does. */
function createReader(flavor: "mysql" | "mariadb"): (event: Buffer) => Promise<Packet[]> {
  const decoder = createBinlogDecoder({ eventBytesMax: 8 << 20 });
  const stream = createRowStream({
    ...{ flavor, lineage: "fuzz", resume: null, eventIdent: "rows" },
    filter: () => true,
    schema: () => undefined,
  });
  return async (event) => {
    const packets: Packet[] = [];
    for await (const inner of eventsOf(decoder.decode(event))) {
      stream.needs(inner);
      packets.push(...rowsAtOnce(stream, inner));
      JSON.stringify(stream.position());
    }
    return packets;
  };
}

async function check({ note, bytes }: FuzzInput, originals: Originals): Promise<string> {
  const known = note as Note;
  const rows = originals(known);
  const reader = createReader(known.flavor);
  let n = 0;
  for (let at = 0; at + 4 <= bytes.length; n++) {
    const end = at + 4 + bytes.readUInt32LE(at);
    const event = bytes.subarray(at + 4, end);
    at = end;
    let packets: Packet[];
    try {
      packets = await reader(event);
    } catch (error) {
      const code = codeOf(error);
      claim(n >= known.sound, `event ${n} is sound, but ${code}`);
      return code;
    }
    const found = packets.map(spellPacket);
    if (n < known.sound) claim(same(found, rows[n] ?? []), `event ${n} is sound, its rows are not`);
    else checkChanged(packets);
    if (n >= known.sound && !known.sealed) return notNoticed(found, rows[n] ?? []);
  }
  return "not noticed";
}

/** A change under a wrong checksum may only go by if it made no difference. */
function notNoticed(found: readonly string[], rows: readonly string[]): string {
  claim(same(found, rows), "a changed event was taken for a sound one");
  return "no change";
}

function same(found: readonly string[], rows: readonly string[]): boolean {
  return found.length === rows.length && found.every((row, n) => row === rows[n]);
}

const formats = (["row", "debezium"] as const).map((name) =>
  createFormat(name, { keyless: "row" }),
);

/** Whatever a row says, it can be written: as JSON that can be read again. */
function checkChanged(packets: readonly Packet[]): void {
  for (const packet of packets) {
    if (packet.payload.kind !== "row") continue;
    const { before = [], after = [], table } = packet.payload;
    for (const row of [before, after]) {
      claim(row.length === 0 || row.length === table.columns.length, "a row has all its columns");
      for (const value of row) checkValue(value);
    }
    for (const format of formats) {
      try {
        JSON.parse(String(format.value(packet)));
      } catch (error) {
        if (error instanceof SyntaxError) throw error;
        codeOf(error);
      }
    }
  }
}

function checkValue(value: Value): void {
  if (value instanceof JsonText) JSON.parse(value.text);
}

function spellPacket({ payload, position }: Packet): string {
  if (payload.kind !== "row") return payload.kind;
  const { op, table, before, after, txn, ordinal, log, pos, ts } = payload;
  const where = [
    op,
    table.db,
    table.name,
    txn.gtid,
    ordinal,
    log,
    pos,
    ts,
    JSON.stringify(position),
  ];
  return `${where.join(" ")} ${spellRow(before)} ${spellRow(after)}`;
}

function spellRow(row: readonly Value[] | undefined): string {
  return row === undefined ? "-" : row.map(spellValue).join("|");
}

function spellValue(value: Value): string {
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString("hex")}`;
  if (value instanceof JsonText) return `j${value.text}`;
  return `${typeof value} ${value}`;
}

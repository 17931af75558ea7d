import { join } from "node:path";
import { deflateSync, zstdCompressSync } from "node:zlib";
import { eventType as t } from "#src/clients/mysql/binlog/event-type.ts";
import { eventBytes } from "../../support/binlog-rows.ts";

/** A recorded binlog in pieces: what stands before the first transaction, and each transaction. */
export type RecordedBinlog = {
  readonly name: string;
  readonly flavor: "mysql" | "mariadb";
  readonly head: readonly Buffer[];
  readonly transactions: readonly (readonly Buffer[])[];
};

const fixtures = join(import.meta.dir, "../../fixtures/binlog");
const shop = join(import.meta.dir, "../../../etc/quickstart/shop.binlog");

const rowTypes: ReadonlySet<number> = new Set([
  ...[t.writeRowsV1, t.updateRowsV1, t.deleteRowsV1, t.writeRows, t.updateRows, t.deleteRows],
]);

/** What both servers have recorded, the same in the compressed forms of both, and a large one last. */
export async function recordedBinlogs(): Promise<readonly RecordedBinlog[]> {
  const plain: RecordedBinlog[] = [];
  for (const flavor of ["mysql", "mariadb"] as const) {
    for (const what of ["types", "changes"]) {
      const name = `${flavor}-${what}`;
      plain.push(await cut(name, flavor, join(fixtures, `${name}.binlog`)));
    }
  }
  plain.push(await cut("shop", "mysql", shop));
  const packed = plain.map((log): RecordedBinlog => {
    const pack = log.flavor === "mysql" ? payloadOf : compressedRows;
    return { ...log, name: `${log.name}-packed`, transactions: log.transactions.map(pack) };
  });
  return [...plain, ...packed, large(plain[0]!)];
}

/** A transaction that is unpacked as a stream, for it comes to more than a MiB. */
function large(log: RecordedBinlog): RecordedBinlog {
  const whole = log.transactions.find((events) => events.some((event) => rowTypes.has(event[4]!)));
  const rows = (whole ?? []).flatMap((event) => {
    const times = rowTypes.has(event[4]!) ? Math.ceil((1.1 * 2 ** 20) / event.length) : 1;
    return Array.from({ length: Math.min(times, 400) }, () => event);
  });
  return { ...log, name: "mysql-large-packed", transactions: [payloadOf(rows)] };
}

async function cut(name: string, flavor: "mysql" | "mariadb", path: string) {
  const transactions: Buffer[][] = [];
  const head: Buffer[] = [];
  const begins: readonly number[] = [t.gtid, t.anonymousGtid, t.gtidTagged, t.mariadbGtid];
  for (const event of await eventBytes(path)) {
    if (begins.includes(event[4]!)) transactions.push([]);
    (transactions.at(-1) ?? head).push(event);
  }
  return { name, flavor, head, transactions };
}

/** An event with its size and checksum made right. */
export function sealed(header: Uint8Array, body: Uint8Array, checksum = true): Buffer {
  const event = Buffer.concat([header.subarray(0, 19), body, Buffer.alloc(checksum ? 4 : 0)]);
  event.writeUInt32LE(event.length, 9);
  if (checksum) event.writeUInt32LE(Bun.hash.crc32(event.subarray(0, -4)), event.length - 4);
  return event;
}

/** MySQL: all that follows the GTID becomes the payload of one event. */
export function payloadOf(events: readonly Buffer[]): readonly Buffer[] {
  const [gtid, ...rest] = events;
  if (gtid === undefined || !rest.some((event) => rowTypes.has(event[4]!))) return events;
  const inner = rest.map(unsealed);
  const payload = payloadEvent(gtid, inner);
  contents.set(payload, inner);
  return [gtid, payload];
}

const contents = new WeakMap<Buffer, readonly Buffer[]>();

/** The events in a payload that was made here. */
export function insideOf(payload: Buffer): readonly Buffer[] {
  return contents.get(payload) ?? [];
}

/** An event as it stands in a payload: without a checksum. */
export function unsealed(event: Buffer): Buffer {
  return sealed(event, event.subarray(19, -4), false);
}

export function payloadEvent(header: Buffer, inner: readonly Uint8Array[]): Buffer {
  const plain = Buffer.concat(inner);
  const packed = zstdCompressSync(plain);
  const head = Buffer.from(header.subarray(0, 19));
  head[4] = t.transactionPayload;
  const fields = [...field(2, packedInt(0)), ...field(3, packedInt(plain.length))];
  const body = [...fields, ...field(1, packedInt(packed.length)), 0];
  return sealed(head, Buffer.concat([Uint8Array.from(body), packed]));
}

function field(kind: number, value: readonly number[]): readonly number[] {
  return [kind, value.length, ...value];
}

function packedInt(value: number): readonly number[] {
  if (value < 251) return [value];
  if (value < 65_536) return [252, value & 255, value >> 8];
  return [253, value & 255, (value >> 8) & 255, value >> 16];
}

/** MariaDB: the images of each row event become a zlib stream with its length. */
function compressedRows(events: readonly Buffer[]): readonly Buffer[] {
  const compressed: Readonly<Record<number, number>> = {
    [t.writeRowsV1]: t.writeRowsCompressedV1,
    [t.updateRowsV1]: t.updateRowsCompressedV1,
    [t.deleteRowsV1]: t.deleteRowsCompressedV1,
  };
  return events.map((event) => {
    const type = compressed[event[4]!];
    if (type === undefined) return event;
    // table-id:6 flags:2 count:1 bitmaps; these tables have fewer than 251 columns.
    const bitmap = (event[19 + 8]! + 7) >> 3;
    const images = 19 + 9 + bitmap * (event[4] === t.updateRowsV1 ? 2 : 1);
    const plain = event.subarray(images, -4);
    const length = [0x84, ...[24, 16, 8, 0].map((shift) => (plain.length >>> shift) & 255)];
    const head = Buffer.from(event.subarray(0, 19));
    head[4] = type;
    const body = [event.subarray(19, images), Uint8Array.from(length), deflateSync(plain)];
    return sealed(head, Buffer.concat(body));
  });
}

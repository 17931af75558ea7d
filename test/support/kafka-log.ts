import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32c } from "#src/clients/kafka/crc32c.ts";
import type { KafkaBroker } from "../services/index.ts";

/**
 * Changes one batch of a partition where it lies on the broker's disk, counted from 0: whatever the
 * broker sends of it is what is there, since it looks at nothing but the lengths.
 */
export function changeBatch(
  { logDirs }: KafkaBroker,
  place: { readonly topic: string; readonly partition: number; readonly batch: number },
  change: (batch: Buffer) => void,
): void {
  const segment = join(`${place.topic}-${place.partition}`, "00000000000000000000.log");
  const file = logDirs.map((dir) => join(dir, segment)).find((one) => existsSync(one));
  if (file === undefined) throw new Error(`the broker has no ${segment}`);
  const log = readFileSync(file);
  const lengthAt = (at: number) => 12 + log.readInt32BE(at + 8);
  let start = 0;
  for (let i = 0; i < place.batch; i++) start += lengthAt(start);
  const batch = log.subarray(start, start + lengthAt(start));
  change(batch);
  const open = openSync(file, "r+");
  writeSync(open, batch, 0, batch.length, start);
  closeSync(open);
}

/** A bit of its first record is another one, so that the checksum is wrong. */
export function flipBit(batch: Buffer): void {
  const at = 61 + 10;
  batch.writeUInt8(batch.readUInt8(at) ^ 4, at);
}

/** As a newer Kafka might write it: whole, by a codec of a number that nobody knows yet. */
export function unknownCodec(batch: Buffer): void {
  batch.writeInt16BE(batch.readInt16BE(21) | 7, 21);
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17);
}

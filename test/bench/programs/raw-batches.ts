/**
 * The limit that no bus in this language can pass: packets are made, put into arrays, handed
 * through a bounded queue from one async loop to another, and counted. No ledger, no routing, no
 * credit. Prints `{"packets":…,"seconds":…}`.
 */
import type { Packet } from "#plugin";

const seconds = Number(process.argv[2]);
const batchSize = Number(process.argv[3]);
const queueMax = 64;
const queue: Packet[][] = [];
let wakeReader: (() => void) | undefined;
let wakeWriter: (() => void) | undefined;
let writing = true;

async function write(): Promise<void> {
  const payload = { kind: "text", text: "x".repeat(64) } as const;
  const until = performance.now() + seconds * 1000;
  let position = 0;
  while (performance.now() < until) {
    const batch: Packet[] = [];
    for (let i = 0; i < batchSize; i++) {
      batch.push({ ident: "mock", payload, position: position++, bytes: 64 });
    }
    queue.push(batch);
    wakeReader?.();
    if (queue.length < queueMax) continue;
    await new Promise<void>((resolve) => {
      wakeWriter = resolve;
    });
  }
  writing = false;
  wakeReader?.();
}

async function read(): Promise<number> {
  let packets = 0;
  let bytes = 0;
  while (writing || queue.length > 0) {
    for (const batch of queue.splice(0)) {
      for (const packet of batch) bytes += packet.bytes;
      packets += batch.length;
    }
    wakeWriter?.();
    if (!writing) continue;
    await new Promise<void>((resolve) => {
      wakeReader = resolve;
    });
  }
  if (bytes !== packets * 64) throw new Error("packets were lost");
  return packets;
}

const started = performance.now();
const [packets] = await Promise.all([read(), write()]);
process.stdout.write(
  `${JSON.stringify({ packets, seconds: (performance.now() - started) / 1000 })}\n`,
);

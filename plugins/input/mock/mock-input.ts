import { z } from "zod";
import { defineInput, type InputContext, type Packet, type Payload, sleep } from "#plugin";
import { mockRows } from "./mock-rows.ts";

/*
 * Makes packets up, to try a pipeline or to measure it. The position is the number of packets made
 * so far, so a start goes on behind what was delivered; what a packet holds depends on the seed and
 * its number alone, so the same one is made again.
 */
const configSchema = z.strictObject({
  idents: z
    .array(z.string().min(1).max(256))
    .min(1)
    .max(1000)
    .optional()
    .describe("The idents it emits under, in turn. Default: the entry's own ident."),
  rate: z
    .number()
    .positive()
    .max(1e9)
    .optional()
    .describe("Packets a second. Default: as many as the bus takes."),
  count: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe("Ends after so many packets. Default: never."),
  payload: z
    .enum(["bytes", "rows"])
    .default("bytes")
    .describe("What packets hold: the same bytes each, or changes of rows of a made-up table."),
  size: z
    .int()
    .min(1)
    .max(16 << 20)
    .default(100)
    .describe("Bytes in a packet, when payload is bytes."),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1)
    .describe("The same seed makes the same rows."),
  batch: z.int().min(1).max(65_536).default(1024).describe("Packets handed over at a time."),
});

type Config = z.infer<typeof configSchema>;

/** So often, in milliseconds, timers and sockets get their turn however fast the bus is. */
const YIELD_MS = 5;
/** The clock is asked after so many packets: seldom enough for tiny batches to cost nothing. */
const CLOCK_EVERY = 1024;

export const mockInput = defineInput<Config, Config>({
  name: "MockInput",
  summary: "Makes packets up: bytes or changes of rows, at a rate or as fast as possible.",
  configSchema,
  idents: ({ idents }, ident) => idents ?? [ident],
  positionSchema: z.int().min(0),
  order: () => (a, b) => Number(a) - Number(b),
  open: (_, config) => config,
  async run(config, context) {
    const make = maker(config, config.idents ?? [context.ident]);
    const end = config.count ?? Number.MAX_SAFE_INTEGER;
    const from = Number(context.resume() ?? 0);
    if (config.rate === undefined) await runFree(config.batch, from, end, make, context);
    else await runPaced(config.rate, config.batch, from, end, make, context);
  },
});

/** Makes packet number `n`, counted from 0. */
type Make = (n: number) => Packet;

function maker(config: Config, idents: readonly string[]): Make {
  const { length } = idents;
  if (config.payload === "rows") {
    const rows = mockRows(config.seed);
    return (n) => {
      const payload = rows(n);
      return { ident: idents[n % length] as string, payload, position: n + 1, bytes: 200 };
    };
  }
  const value = new Uint8Array(config.size).fill(120);
  const payload: Payload = { kind: "bytes", key: null, value, headers: [], timestamp: undefined };
  const bytes = config.size;
  const [only] = idents;
  if (length === 1 && only !== undefined) {
    return (n) => ({ ident: only, payload, position: n + 1, bytes });
  }
  return (n) => ({ ident: idents[n % length] as string, payload, position: n + 1, bytes });
}

async function runFree(
  batch: number,
  from: number,
  end: number,
  make: Make,
  context: InputContext,
): Promise<void> {
  const { clock, signal } = context;
  let turn = clock.now();
  let made = 0;
  for (let n = from; n < end && !signal.aborted; ) {
    const size = Math.min(batch, end - n);
    const packets = new Array<Packet>(size);
    for (let i = 0; i < size; i++) packets[i] = make(n++);
    const wait = context.emitBatch(packets);
    if (wait) await wait;
    made += size;
    if (made < CLOCK_EVERY) continue;
    made = 0;
    if (clock.now() - turn < YIELD_MS) continue;
    await macrotask();
    turn = clock.now();
  }
}

async function runPaced(
  rate: number,
  batch: number,
  from: number,
  end: number,
  make: Make,
  context: InputContext,
): Promise<void> {
  const { clock, signal } = context;
  let start = clock.now();
  let base = from;
  for (let n = from; n < end && !signal.aborted; ) {
    const due = Math.min(end, base + Math.floor(((clock.now() - start) * rate) / 1000));
    if (due <= n) {
      await sleep(clock, Math.ceil(((n + 1 - base) * 1000) / rate - (clock.now() - start)), signal);
      continue;
    }
    const packets: Packet[] = [];
    while (n < due && packets.length < batch) packets.push(make(n++));
    const wait = context.emitBatch(packets);
    if (!wait) continue;
    const before = clock.now();
    await wait;
    // What was held back is not made up for: the rate goes on from here.
    if (clock.now() - before > 1000) [start, base] = [clock.now(), n];
  }
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

import { z } from "zod";
import {
  DbusError,
  defineOutput,
  type Log,
  type Packet,
  seededRandom,
  sleep,
  type Verdict,
} from "#plugin";
import { createPrinter, type Printer } from "./print.ts";

/*
 * A sink to try a pipeline with: it swallows packets or prints them, slowly or at once, and refuses
 * some of them if told to.
 */
const configSchema = z.strictObject({
  mode: z
    .enum(["blackhole", "print"])
    .default("blackhole")
    .describe("Whether packets are swallowed, or printed to standard output, one JSON line each."),
  msPerBatch: z
    .number()
    .min(0)
    .max(3_600_000)
    .default(0)
    .describe("How long it takes for each batch, in milliseconds."),
  failRate: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe("The share of packets that it refuses, 0 to 1."),
  failAs: z
    .enum(["retry", "reject"])
    .default("retry")
    .describe("Whether a refused packet may be tried again, or is refused for good."),
  retryAfterMs: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(10)
    .describe("When a refused packet may be tried again, in milliseconds."),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1)
    .describe("The same seed refuses alike."),
});

type Config = z.infer<typeof configSchema>;
type State = {
  readonly config: Config;
  readonly log: Log;
  readonly print: Printer | undefined;
  readonly random: () => number;
  packets: number;
  refused: number;
};

export const mockOutput = defineOutput<Config, State>({
  name: "MockOutput",
  summary: "Swallows or prints packets, slowly or failing by rate if told to.",
  configSchema,
  // It is as slow as it is told to be, and prints to whoever reads.
  defaults: { timeoutMs: 0 },
  open: (context, config) => ({
    config,
    log: context.log,
    print: config.mode === "print" ? createPrinter(context) : undefined,
    random: seededRandom(config.seed),
    packets: 0,
    refused: 0,
  }),
  write(state, packets, context) {
    state.packets += packets.length;
    const { msPerBatch, failRate } = state.config;
    if (msPerBatch > 0) {
      return sleep(context.clock, msPerBatch, context.signal).then(() => finish(state, packets));
    }
    // A black hole looks at no packet at all: what is measured with it is the bus.
    return failRate === 0 && !state.print ? undefined : finish(state, packets);
  },
  close({ log, packets, refused }) {
    log.info("the mock output is closed", { packets, refused });
  },
});

type Written = readonly Verdict[] | undefined;

function finish(state: State, packets: readonly Packet[]): Written | Promise<Written> {
  const { config, print, random } = state;
  if (config.failRate === 0) {
    return print?.(packets).then(() => undefined);
  }
  const verdicts = verdictsOf(packets, config, random);
  const done = packets.filter((_, i) => verdicts[i] === "done");
  state.refused += packets.length - done.length;
  return print ? print(done).then(() => verdicts) : verdicts;
}

/** Behind a packet that is to be tried again all others wait too, so that their order stays. */
function verdictsOf(packets: readonly Packet[], config: Config, random: () => number): Verdict[] {
  const error = new DbusError("OUTPUT_REJECTED", "this output refuses on purpose");
  let waiting = false;
  return packets.map(() => {
    const refused = waiting || random() < config.failRate;
    if (!refused) return "done";
    if (config.failAs === "reject") return { failed: error };
    waiting = true;
    return { retryAfterMs: config.retryAfterMs, error };
  });
}

import { z } from "zod";
import { DbusError, defineFilter, type Packet, seededRandom } from "#plugin";

/*
 * Passes packets on, drops them, copies them or fails on them, to try a pipeline. What happens to
 * the nth packet after a start depends on the seed alone.
 */
const rate = (what: string) => z.number().min(0).max(1).default(0).describe(what);

const configSchema = z.strictObject({
  mode: z
    .enum(["pass", "drop", "fork"])
    .default("pass")
    .describe("What becomes of a packet: sent on, dropped, or sent on several times."),
  copies: z
    .int()
    .min(1)
    .max(10_000)
    .default(2)
    .describe("How many packets a fork makes of one; they go to the idents in turn."),
  idents: z
    .array(z.string().min(1).max(256))
    .min(1)
    .max(1000)
    .optional()
    .describe("The idents it emits under. Default: the entry's own ident."),
  dropRate: rate("The share of packets that are dropped, 0 to 1."),
  failRate: rate("The share of packets on which it fails, 0 to 1."),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1)
    .describe("The same seed drops and fails alike."),
});

type Config = z.infer<typeof configSchema>;
type State = {
  readonly config: Config;
  readonly idents: readonly string[];
  readonly random: () => number;
};

export const mockFilter = defineFilter<Config, State>({
  name: "MockFilter",
  summary: "Passes, drops, forks or fails by rate, to try a pipeline.",
  configSchema,
  idents: ({ idents }, ident) => idents ?? [ident],
  open: (context, config) => ({
    config,
    idents: config.idents ?? [context.ident],
    random: seededRandom(config.seed),
  }),
  apply({ config, idents, random }, packet) {
    const { mode, dropRate, failRate } = config;
    if (failRate > 0 && random() < failRate) {
      throw new DbusError("FILTER_FAILED", "this filter fails on purpose");
    }
    if (mode === "drop" || (dropRate > 0 && random() < dropRate)) return null;
    return mode === "pass" ? under(packet, idents[0] as string) : fork(packet, config, idents);
  },
});

function under({ payload, position, bytes }: Packet, ident: string): Packet {
  return { ident, payload, position, bytes };
}

function* fork(packet: Packet, { copies }: Config, idents: readonly string[]): Generator<Packet> {
  for (let i = 0; i < copies; i++) yield under(packet, idents[i % idents.length] as string);
}

import { z } from "zod";
import { defineFilter, type Packet } from "#plugin";
import { compileExpression, expressionField } from "#src/format/expression.ts";
import { createPacketKeys } from "#src/format/packet-key.ts";
import { under, valueText } from "#src/format/packet-parts.ts";

/*
 * Lets a share of the packets pass, by their key alone: all changes of one row pass or none does,
 * today and after a restart, and in every filter with the same seed.
 */
const configSchema = z.strictObject({
  rate: z.number().min(0).max(1).describe("The share of keys that pass, 0 to 1."),
  by: expressionField(
    "A CEL expression for the key. Default: table and primary key of a row, the key of a record.",
  ).optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe("Another seed lets other keys pass."),
});

type Config = z.infer<typeof configSchema>;
type State = {
  readonly keyOf: (packet: Packet) => string;
  readonly seed: bigint;
  /** Hashes below it pass. */
  readonly below: number;
  readonly ident: string;
};

export const sampleFilter = defineFilter<Config, State>({
  name: "SampleFilter",
  summary: "Lets a share of the keys pass, always the same ones.",
  configSchema,
  single: () => true,
  open: ({ ident }, { rate, by, seed }) => ({
    keyOf: by === undefined ? createPacketKeys().keyOf : byExpression(by),
    seed: BigInt(seed),
    below: rate * 2 ** 32,
    ident,
  }),
  apply({ keyOf, seed, below, ident }, packet) {
    const hash = Number(Bun.hash.xxHash64(keyOf(packet), seed) >> 32n);
    if (hash >= below) return null;
    return under(packet, ident);
  },
});

function byExpression(source: string): (packet: Packet) => string {
  const { evaluate } = compileExpression(source);
  return (packet) => valueText(evaluate(packet));
}

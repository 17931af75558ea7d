import { z } from "zod";
import { defineFilter, type Packet, type RowChange } from "#plugin";

/*
 * A filter as a user writes one, for the rounds of chaos: it drops rows on purpose, and forks each
 * of the others into one for every output. It is copied into the folder of a round's config.
 */
const configSchema = z.strictObject({
  dropWriter: z.int().optional().describe("Rows of this writer are dropped."),
  dropTxnEvery: z.int().optional().describe("Every so manieth transaction's number is dropped."),
  to: z
    .array(
      z.strictObject({
        ident: z.string().describe("What rows go on under."),
        table: z.string().optional().describe("Only rows of this table. Default: all."),
      }),
    )
    .min(1)
    .describe("Each makes a packet of its own of a row."),
});

type Config = z.infer<typeof configSchema>;

export const ownFilter = defineFilter<Config, Config>({
  name: "OwnFilter",
  summary: "Drops by writer and by number, and forks for each output.",
  configSchema,
  idents: ({ to }) => to.map(({ ident }) => ident),
  open: (_context, config) => config,
  async apply({ dropWriter, dropTxnEvery, to }, packet) {
    const { payload } = packet;
    if (payload.kind !== "row") throw new Error(`a packet of kind ${payload.kind} is no row`);
    const { name } = payload.table;
    if (name === "txn" && dropTxnEvery !== undefined) {
      const seq = Number(String(columnOf(payload, "id")).split(":")[1]);
      if (seq % dropTxnEvery === 0) return null;
    }
    if (name === "item" && columnOf(payload, "writer") === dropWriter) return null;
    const wanted = to.filter(({ table }) => table === undefined || table === name);
    return wanted.map(({ ident }): Packet => ({ ...packet, ident }));
  },
});

function columnOf({ table, after, before }: RowChange, column: string): unknown {
  const index = table.columns.findIndex(({ name }) => name === column);
  return (after ?? before)?.[index];
}

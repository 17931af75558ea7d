import { z } from "zod";
import { DbusError, defineFilter } from "#plugin";
import { compileExpression, type Expression, expressionField } from "#src/format/expression.ts";
import { under } from "#src/format/packet-parts.ts";

/*
 * Lets pass what an expression is true for. The rest is dropped, or goes another way.
 */
const configSchema = z.strictObject({
  when: expressionField("A CEL expression: packets for which it is true go on.", ["bool"]),
  otherwise: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe("The ident under which the others go on. Default: they are dropped."),
});

type Config = z.infer<typeof configSchema>;
type State = {
  readonly when: Expression;
  readonly ident: string;
  readonly otherwise: string | undefined;
};

export const whereFilter = defineFilter<Config, State>({
  name: "WhereFilter",
  summary: "Lets pass the packets for which an expression is true.",
  configSchema,
  idents: ({ otherwise }, ident) => (otherwise === undefined ? [ident] : [ident, otherwise]),
  single: () => true,
  open: ({ ident }, { when, otherwise }) => ({ when: compileExpression(when), ident, otherwise }),
  apply({ when, ident, otherwise }, packet) {
    const found = when.evaluate(packet);
    if (typeof found !== "boolean") {
      throw new DbusError("EXPRESSION_FAILED", "the expression gives neither true nor false");
    }
    const to = found ? ident : otherwise;
    return to === undefined ? null : under(packet, to);
  },
});

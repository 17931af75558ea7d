import { z } from "zod";
import { DbusError, defineFilter, type Packet } from "#plugin";
import { compileExpression, type Expression, expressionField } from "#src/format/expression.ts";
import { compileTemplate, type Template } from "#src/format/ident-template.ts";
import { under } from "#src/format/packet-parts.ts";

/*
 * Sends packets on under idents of their own, by expressions. Idents may hold what is in the
 * packet, e.g. `orders.${row.country}`.
 */
const ident = z
  .string()
  .min(1)
  .max(256)
  .superRefine((text, context) => {
    try {
      compileTemplate(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
    }
  });

const configSchema = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        when: expressionField("A CEL expression. Default: true.", ["bool"]).default("true"),
        ident: ident.describe(
          "Where such packets go: ${db}, ${tbl}, ${op}, ${ident}, ${key} and ${row.NAME} stand " +
            "for what the packet has there.",
        ),
      }),
    )
    .min(1)
    .max(1_000)
    .describe("In order."),
  mode: z
    .enum(["first", "all"])
    .default("first")
    .describe("Whether the first rule that is true counts, or each (a copy for every one)."),
  otherwise: ident
    .optional()
    .describe("Where packets go for which no rule is true. Default: they are dropped."),
});

type Config = z.infer<typeof configSchema>;
type Rule = { readonly when: Expression | undefined; readonly to: Template };
type State = {
  readonly rules: readonly Rule[];
  readonly first: boolean;
  readonly otherwise: Template | undefined;
};

export const routeFilter = defineFilter<Config, State>({
  name: "RouteFilter",
  summary: "Sends packets on under idents of their own, by expressions.",
  configSchema,
  idents: ({ rules, otherwise }) => {
    const all = rules.map((rule) => rule.ident);
    const templates = otherwise === undefined ? all : [...all, otherwise];
    return [...new Set(templates.map((text) => compileTemplate(text).pattern))];
  },
  single: ({ mode }) => mode === "first",
  open: (_context, { rules, mode, otherwise }) => ({
    rules: rules.map((rule) => ({
      when: rule.when === "true" ? undefined : compileExpression(rule.when),
      to: compileTemplate(rule.ident),
    })),
    first: mode === "first",
    otherwise: otherwise === undefined ? undefined : compileTemplate(otherwise),
  }),
  apply({ rules, first, otherwise }, packet) {
    const copies: Packet[] = [];
    for (const { when, to } of rules) {
      if (when && !holds(when, packet)) continue;
      copies.push(under(packet, to.fill(packet)));
      if (first) break;
    }
    if (copies.length === 0 && otherwise) copies.push(under(packet, otherwise.fill(packet)));
    return copies.length > 1 ? copies : (copies[0] ?? null);
  },
});

function holds(when: Expression, packet: Packet): boolean {
  const found = when.evaluate(packet);
  if (typeof found === "boolean") return found;
  throw new DbusError("EXPRESSION_FAILED", "the expression gives neither true nor false");
}

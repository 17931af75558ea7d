import { Environment } from "@marcbachmann/cel-js";
import { z } from "zod";
import { DbusError } from "../errors.ts";
import type { Packet } from "../flow/packet.ts";
import { constantOf, type Usage, usageOf } from "./expression-usage.ts";
import { createValues } from "./expression-values.ts";
import { type LinearRegex, linearRegex } from "./linear-regex.ts";

/** A compiled CEL expression over packets. */
export type Expression = {
  /** What CEL knows of its type: `dyn` where it depends on the data. */
  readonly type: string;
  /** Its value for a packet. Throws `EXPRESSION_FAILED`, which never tells a value. */
  evaluate(packet: Packet): unknown;
};

/**
 * How much one expression may go through in one packet: the elements of the largest list to the
 * power of how deep its macros (`all`, `exists`, `filter`, `map`) are nested.
 */
const STEPS_MAX = 10_000_000;
const NESTED_MAX = 3;

const limits = {
  maxAstNodes: 5_000,
  maxDepth: 64,
  maxListElements: 1_000,
  maxMapEntries: 1_000,
  maxCallArguments: 32,
};

/** `matches` of the package uses the runtime's regular expressions, which may take for ever. */
const linearMatches = "matchesLinear";

const environment = new Environment({ limits, homogeneousAggregateLiterals: false })
  .registerVariable("row", "map")
  .registerVariable("before", "dyn")
  .registerVariable("after", "dyn")
  .registerVariable("op", "string")
  .registerVariable("db", "string")
  .registerVariable("table", "string")
  .registerVariable("ts", "google.protobuf.Timestamp")
  .registerVariable("gtid", "string")
  .registerVariable("ident", "string")
  .registerVariable("kind", "string")
  .registerVariable("text", "string")
  .registerVariable("key", "dyn")
  .registerVariable("value", "dyn")
  .registerVariable("headers", "map<string, string>")
  .registerFunction(`string.${linearMatches}(string): bool`, matches);

const patterns = new Map<string, LinearRegex>();

function matches(text: string, pattern: string): boolean {
  let known = patterns.get(pattern);
  if (!known) {
    // Patterns may come out of the data.
    if (patterns.size >= 1000) patterns.clear();
    known = patternOf(pattern);
    patterns.set(pattern, known);
  }
  return known.test(text);
}

/** A pattern that is none may come out of the data. */
function patternOf(pattern: string): LinearRegex {
  try {
    return linearRegex(pattern);
  } catch {
    const what = "the expression failed: what is to match is no regular expression";
    throw new DbusError("EXPRESSION_FAILED", what);
  }
}

/** Throws `CONFIG_INVALID` with the place in the text. */
export function compileExpression(source: string): Expression {
  const { parsed, usage } = prepare(source);
  const { valid, type = "dyn", error } = parsed.check();
  if (!valid) throw invalid(error);
  if (usage.nested > NESTED_MAX) {
    throw new DbusError("CONFIG_INVALID", `more than ${NESTED_MAX} macros within one another`);
  }
  const values = createValues(usage);
  return {
    type,
    evaluate(packet) {
      const context = values(
        packet,
        usage.nested === 0 ? Number.POSITIVE_INFINITY : stepsOf(usage),
      );
      try {
        return parsed(context);
      } catch (error) {
        throw failed(error, source);
      }
    },
  };
}

/** How many elements a list may have for an expression with macros as deep as that. */
function stepsOf({ nested }: Usage): number {
  return Math.floor(STEPS_MAX ** (1 / nested));
}

function prepare(source: string) {
  try {
    const parsed = environment.parse(source);
    const usage = usageOf(parsed.ast);
    if (usage.binds) throw new DbusError("CONFIG_INVALID", "cel.bind is not offered");
    if (usage.listsUnsigned) throw new DbusError("CONFIG_INVALID", inFindsNoUnsigned);
    if (usage.matches) useLinearMatches(parsed.ast);
    return { parsed, usage };
  } catch (error) {
    throw error instanceof DbusError ? error : invalid(error);
  }
}

const inFindsNoUnsigned =
  "`in` finds no number with u behind it in a list: write row.n == 1u || row.n == 2u";

/**
 * Names another function in place of `matches`, in the tree itself: written out as text and read
 * again, `1 - (2 - 3)` would lose its parentheses.
 */
function useLinearMatches(part: unknown): void {
  if (Array.isArray(part)) {
    for (const one of part) useLinearMatches(one);
    return;
  }
  if (part === null || typeof part !== "object" || !("op" in part)) return;
  const { op, args } = part as { op: string; args: unknown };
  if (op === "value") return;
  if (op === "rcall" && Array.isArray(args) && args[0] === "matches") {
    args[0] = linearMatches;
    const pattern = constantOf(args[2]?.[0]);
    if (pattern !== undefined) linearRegex(pattern);
  }
  useLinearMatches(args);
}

function invalid(error: unknown): DbusError {
  const text = error instanceof Error ? error.message : String(error);
  const [first = "", ...rest] = text.replaceAll(linearMatches, "matches").split("\n");
  const column = (rest.at(-1)?.indexOf("^") ?? -1) - ">    1 | ".length + 1;
  const where = column > 0 ? `, at character ${column}` : "";
  return new DbusError("CONFIG_INVALID", `not an expression: ${first}${where}`, {
    remedy: "docs/operators.md shows what can be written, and with which names",
  });
}

/** What went wrong, in words that can hold no value of the row. */
function failed(error: unknown, source: string): DbusError {
  if (error instanceof DbusError && error.code === "EXPRESSION_FAILED") return error;
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "";
  const key = /^No such key: (\w+)$/.exec(message)?.[1];
  const overload = /^no such overload: [\w<>, ]+(?: \W{1,2} [\w<>, ]+|\([\w<>, ]*\))?$/.exec(
    message,
  );
  const named = key !== undefined && source.includes(key);
  const variable = /^Unknown variable: (\w+)$/.exec(message)?.[1];
  let what = typeof code === "string" ? code.replaceAll("_", " ") : "it cannot be evaluated";
  if (named || overload) what = message;
  // The names that there are were checked: this one stands for nothing in packets of that kind.
  if (variable !== undefined) what = `this packet has no ${variable}`;
  return new DbusError("EXPRESSION_FAILED", `the expression failed: ${what}`);
}

/** A field of a config that holds an expression of one of these types. */
export function expressionField(description: string, types: readonly string[] = []) {
  return z
    .string()
    .min(1)
    .max(10_000)
    .superRefine((source, context) => {
      try {
        const { type } = compileExpression(source);
        if (types.length > 0 && type !== "dyn" && !types.includes(type)) {
          const message = `it gives ${type}, and ${types.join(" or ")} is wanted`;
          context.addIssue({ code: "custom", message });
        }
      } catch (error) {
        context.addIssue({ code: "custom", message: (error as Error).message });
      }
    })
    .describe(description);
}

import type { ASTNode } from "@marcbachmann/cel-js";
import { UnsignedInt } from "@marcbachmann/cel-js/evaluator";

/** What an expression looks at: only that has to be made of a packet. */
export type Usage = {
  readonly names: ReadonlySet<string>;
  /** The columns of `row`, `before` and `after` that it names; `all` when it may name any. */
  readonly fields: ReadonlyMap<string, ReadonlySet<string> | "all">;
  /** How deep macros that go through a list are nested. */
  readonly nested: number;
  readonly matches: boolean;
  readonly splits: boolean;
  readonly binds: boolean;
  /** Whether `in` looks for something in a list with a literal like 3u, which it never finds. */
  readonly listsUnsigned: boolean;
};

const macros = new Set(["all", "exists", "exists_one", "map", "filter"]);

export function usageOf(root: ASTNode): Usage {
  const names = new Set<string>();
  const fields = new Map<string, Set<string> | "all">();
  let nested = 0;
  let listsUnsigned = false;
  const called = new Set<string>();

  function field(of: string, name: string): void {
    names.add(of);
    const known = fields.get(of) ?? new Set<string>();
    if (known !== "all") known.add(name);
    fields.set(of, known);
  }

  function visit(part: unknown, depth: number): void {
    if (Array.isArray(part)) {
      for (const one of part) visit(one, depth);
      return;
    }
    if (part === null || typeof part !== "object" || !("op" in part)) return;
    const { op, args } = part as { op: string; args: unknown };
    if (op === "value") return;
    if (op === "id") {
      names.add(String(args));
      fields.set(String(args), "all");
      return;
    }
    const [first, second, rest] = Array.isArray(args) ? (args as unknown[]) : [args];
    const of = rootOf(first);
    if (op === "in" && isNode(second) && second.op === "list") {
      listsUnsigned ||= (second.args as unknown[]).some(isUnsigned);
    }
    if ((op === "." || op === ".?") && of !== undefined) {
      field(of, String(second));
      return;
    }
    if (op === "[]" && of !== undefined && constantOf(second) !== undefined) {
      field(of, constantOf(second) as string);
      return;
    }
    if (op === "rcall") {
      called.add(String(first));
      const isMacro = macros.has(String(first));
      const below = isMacro ? depth + 1 : depth;
      nested = Math.max(nested, below);
      visit(second, depth);
      visit(rest, below);
      return;
    }
    visit(args, depth);
  }

  visit(root, 0);
  const has = (name: string) => called.has(name);
  return {
    names,
    fields,
    nested,
    matches: has("matches"),
    splits: has("split"),
    binds: has("bind"),
    listsUnsigned,
  };
}

const isNode = (part: unknown): part is { op: string; args: unknown } =>
  part !== null && typeof part === "object" && "op" in part;

const isUnsigned = (part: unknown): boolean =>
  isNode(part) && part.op === "value" && part.args instanceof UnsignedInt;

/** The variable that a node is, when it is one. */
function rootOf(part: unknown): string | undefined {
  return isNode(part) && part.op === "id" ? String(part.args) : undefined;
}

/** The text that a node is, when it is one. */
export function constantOf(part: unknown): string | undefined {
  return isNode(part) && part.op === "value" && typeof part.args === "string"
    ? part.args
    : undefined;
}

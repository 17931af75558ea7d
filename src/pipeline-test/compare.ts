import { stringify } from "yaml";
import type { Packet } from "../flow/packet.ts";
import { expectedOf, literalOf, type PacketLiteral } from "./literal.ts";
import type { Failed, Outcome } from "./pipeline.ts";
import type { Failure, PipelineTest } from "./test-file.ts";

/** One thing that is not as it was expected: where, and both sides as lines of YAML. */
export type Difference = { readonly at: string; readonly lines: readonly string[] };

/** What is not as a test expects it; empty when all is. */
export function differences(test: PipelineTest, { outputs, failed, unrouted }: Outcome) {
  const got = new Map<string, readonly unknown[]>([...outputs]);
  if (failed.length > 0) got.set("deadletters", failed);
  if (unrouted.length > 0) got.set("unrouted", unrouted);
  const names = new Set([...Object.keys(test.expect), ...got.keys()]);
  return [...names].flatMap((name): Difference[] => {
    if (test.ignore.includes(name) && !Object.hasOwn(test.expect, name)) return [];
    const expected = test.expect[name] ?? [];
    const actual = got.get(name) ?? [];
    const pairs = Array.from({ length: Math.max(expected.length, actual.length) }, (_, i) =>
      name === "deadletters"
        ? failurePair(expected[i] as Failure | undefined, actual[i] as Failed | undefined)
        : packetPair(expected[i] as PacketLiteral | undefined, actual[i] as Packet | undefined),
    );
    const same = pairs.every(([one, other]) => Bun.deepEquals(one, other, true));
    if (same) return [];
    const yaml = (side: 0 | 1) =>
      linesOf(pairs.map((pair) => pair[side]).filter((x) => x !== null));
    return [{ at: name, lines: diffLines(yaml(0), yaml(1)) }];
  });
}

type Pair = readonly [expected: unknown, actual: unknown];

function packetPair(expected: PacketLiteral | undefined, actual: Packet | undefined): Pair {
  if (!expected) return [null, actual ? literalOf(actual) : null];
  const wanted = expectedOf(expected);
  return [wanted, actual ? only(literalOf(actual), wanted) : null];
}

function failurePair(expected: Failure | undefined, actual: Failed | undefined): Pair {
  if (!expected || !actual) return [expected ?? null, actual ?? null];
  const { reason, ...rest } = expected;
  const found = reason !== undefined && actual.reason.includes(reason) ? reason : actual.reason;
  return [expected, only({ ...actual, reason: found }, { ...rest, reason }) as unknown];
}

/**
 * What is compared of a packet: `ident` only when it was written, of a row only the parts that were,
 * and of those everything.
 */
function only(actual: Record<string, unknown>, wanted: Record<string, unknown>) {
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(actual)) {
    const other = wanted[key];
    if (other === undefined && (key === "ident" || key === "reason" || key === "node")) continue;
    if (other === undefined && key === "code") continue;
    const parts = key === "row" || key === "record";
    copy[key] = parts && isObject(other) && isObject(value) ? withKeysOf(value, other) : value;
  }
  return copy;
}

function withKeysOf(value: Record<string, unknown>, other: Record<string, unknown>) {
  return Object.fromEntries(Object.entries(value).filter(([key]) => Object.hasOwn(other, key)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function linesOf(value: unknown): readonly string[] {
  return stringify(value, { lineWidth: 0 }).trimEnd().split("\n");
}

/** The longest common lines of both, `-` before what was expected and `+` before what came. */
function diffLines(expected: readonly string[], actual: readonly string[]): string[] {
  const rows = expected.length;
  const columns = actual.length;
  if (rows * columns > 1_000_000) {
    return [...expected.map((line) => `- ${line}`), ...actual.map((line) => `+ ${line}`)];
  }
  const common = Array.from({ length: rows + 1 }, () => new Uint32Array(columns + 1));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const longer = Math.max(at(i + 1, j), at(i, j + 1));
      (common[i] as Uint32Array)[j] = expected[i] === actual[j] ? at(i + 1, j + 1) + 1 : longer;
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    if (i < rows && j < columns && expected[i] === actual[j]) {
      lines.push(`  ${expected[i]}`);
      i++;
      j++;
    } else if (i < rows && (j === columns || at(i + 1, j) >= at(i, j + 1))) {
      lines.push(`- ${expected[i++]}`);
    } else lines.push(`+ ${actual[j++]}`);
  }
  return lines;
}

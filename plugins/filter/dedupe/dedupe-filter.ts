import { createHash } from "node:crypto";
import { z } from "zod";
import { type Clock, defineFilter, type Packet } from "#plugin";
import { compileExpression, expressionField } from "#src/format/expression.ts";
import { under, valueText } from "#src/format/packet-parts.ts";

/*
 * Drops packets whose key has been seen before, e.g. requests that a client has sent twice. It
 * remembers in memory, so many and so long as it is told: what it has forgotten passes again, and
 * after a restart it knows nothing. It never drops the first one of a key, nor that very one when it
 * is read again: what was on its way when a resource was lost, or comes after a checkpoint that was
 * set back, has not been delivered.
 */
const configSchema = z.strictObject({
  by: expressionField("A CEL expression for the key: row.id, headers['idempotency-key'], gtid."),
  countMax: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(100_000)
    .describe("So many keys are remembered; the one that was seen longest ago is forgotten."),
  ttlMs: z
    .int()
    .min(0)
    .max(30 * 86_400_000)
    .default(3_600_000)
    .describe("For so long after it was first seen; 0: until it is forgotten by number."),
});

type Config = z.infer<typeof configSchema>;
/** When a key was first seen, and where its packet stood; undefined where that cannot be told. */
type First = { readonly since: number; readonly place: number | undefined };

type State = {
  readonly keyOf: (packet: Packet) => string;
  /** Keys and their first packets, oldest first. */
  readonly seen: Map<string, First>;
  readonly config: Config;
  readonly clock: Clock;
  readonly ident: string;
};

/** A key in memory with its place in the map, at most. */
const keyBytes = 250;

export const dedupeFilter = defineFilter<Config, State>({
  name: "DedupeFilter",
  summary: "Drops packets whose key was seen before.",
  configSchema,
  memory: ({ countMax }) => ({ buffers: countMax * keyBytes }),
  single: () => true,
  open: ({ ident, clock }, config) => {
    const { evaluate } = compileExpression(config.by);
    return {
      keyOf: (packet) => shortText(valueText(evaluate(packet))),
      seen: new Map(),
      config,
      clock,
      ident,
    };
  },
  apply({ keyOf, seen, config, clock, ident }, packet) {
    const key = keyOf(packet);
    const now = clock.now();
    const place = placeOf(packet);
    const first = seen.get(key);
    if (first !== undefined && (config.ttlMs === 0 || now - first.since < config.ttlMs)) {
      return place !== undefined && place === first.place ? under(packet, ident) : null;
    }
    seen.delete(key);
    seen.set(key, { since: now, place });
    if (seen.size > config.countMax) {
      for (const oldest of seen.keys()) {
        seen.delete(oldest);
        break;
      }
    }
    return under(packet, ident);
  },
});

/** The same number for a packet that is read again from the same place. */
function placeOf({ payload, position }: Packet): number | undefined {
  if (payload.kind === "row") {
    const { txn, log, pos, ordinal } = payload;
    return Bun.hash.xxHash32(`${txn.gtid ?? `${log}:${pos}`} ${ordinal}`);
  }
  if (position === null || typeof position !== "object") return undefined;
  return Bun.hash.xxHash32(`${JSON.stringify(position)} ${payload.part ?? ""}`);
}

/** The key itself when it is short, else its SHA-256: a weaker hash could take two for one. */
function shortText(text: string): string {
  return text.length <= 64 ? text : createHash("sha256").update(text).digest("base64");
}

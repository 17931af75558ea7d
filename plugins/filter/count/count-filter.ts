import { z } from "zod";
import { type Clock, DbusError, defineFilter, type Packet, recordOf } from "#plugin";
import { type ExactJson, exactNumber, exactObject, exactText } from "#src/format/exact-json.ts";
import { compileExpression, type Expression, expressionField } from "#src/format/expression.ts";
import { documentPacket, valueText } from "#src/format/packet-parts.ts";

/*
 * Counts packets by window and key. What it gives are parts: there may be several documents for one
 * window and key, of which the sum is the count, so that it never has to know when a window is over
 * and a late packet counts where it belongs. The packets are settled when the documents are: a crash
 * loses no count, and may repeat some, like all that is delivered at least once.
 */
const ownFields = ["window", "count", "bytes"];

const configSchema = z.strictObject({
  by: z
    .record(z.string().min(1).max(256), expressionField("A CEL expression."))
    .refine((by) => !ownFields.some((name) => Object.hasOwn(by, name)), {
      message: `${ownFields.join(", ")} are fields that each document has: choose another name`,
    })
    .default({})
    .describe("What is counted apart, as fields of the document and CEL expressions for them."),
  windowMs: z
    .int()
    .min(1)
    .max(86_400_000)
    .default(60_000)
    .describe("How long a window is; windows begin at multiples of it, in UTC."),
  time: z
    .enum(["event", "arrival"])
    .default("event")
    .describe("By when a packet was written at its source, where that is known, or came here."),
  at: expressionField(
    "A CEL expression for its time in place of that: a timestamp, or Unix seconds.",
    ["google.protobuf.Timestamp", "int", "double"],
  ).optional(),
  flushMs: z
    .int()
    .min(1)
    .max(5_000)
    .default(100)
    .describe(
      "A part is given after so long, or when half of what may be in flight was counted. The " +
        "checkpoint waits for it.",
    ),
});

type Config = z.infer<typeof configSchema>;
type State = {
  readonly config: Config;
  readonly by: readonly (readonly [name: string, expression: Expression])[];
  readonly at: Expression | undefined;
  readonly clock: Clock;
  readonly ident: string;
};
type Part = {
  readonly window: number;
  /** Of the fields of `by`, in order. */
  readonly values: readonly ExactJson[];
  count: number;
  bytes: number;
};
type Gathered = Map<string, Part>;

export const countFilter = defineFilter<Config, State>({
  name: "CountFilter",
  summary: "Counts packets by window and key, and gives the counts as documents.",
  configSchema,
  open: ({ clock, ident }, config) => {
    const by = Object.entries(config.by).map(
      ([name, source]) => [name, compileExpression(source)] as const,
    );
    const at = config.at === undefined ? undefined : compileExpression(config.at);
    return { config, by, at, clock, ident };
  },
  apply(state, packet) {
    const gathered: Gathered = new Map();
    add(gathered, packet, state);
    return [...documents(gathered, packet, state)];
  },
  gather: {
    flushMs: ({ flushMs }) => flushMs,
    begin: (): Gathered => new Map(),
    add: (gathered, packet, state) => add(gathered as Gathered, packet, state),
    end: (gathered, first, state) => documents(gathered as Gathered, first, state),
  },
});

function add(gathered: Gathered, packet: Packet, state: State): void {
  const { config, by } = state;
  const at = timeOf(packet, state);
  const window = Math.floor(at / config.windowMs) * config.windowMs;
  const values = by.map(([, expression]) => expression.evaluate(packet));
  const key = `${window} ${values.map(valueText).join(" ")}`;
  // Made here, where what cannot be JSON fails its own packet.
  const part = gathered.get(key) ?? { window, values: values.map(jsonOf), count: 0, bytes: 0 };
  part.count++;
  part.bytes += packet.bytes;
  gathered.set(key, part);
}

/** What a date can be, in Unix milliseconds, with room for a window. */
const msMax = 8.64e15 - 86_400_000;

/** Unix milliseconds. Throws for a time that is none, which no window could be named after. */
function timeOf(packet: Packet, { config, at, clock }: State): number {
  if (at) {
    const ms = msOf(at.evaluate(packet));
    if (Math.abs(ms) <= msMax) return ms;
    throw new DbusError("EXPRESSION_FAILED", "the expression for the time gives none");
  }
  const ms = (config.time === "event" ? writtenAt(packet) : undefined) ?? clock.wall();
  if (Math.abs(ms) <= msMax) return ms;
  throw new DbusError("FILTER_FAILED", "the time at which the packet was written is none");
}

/** NaN for what is neither a timestamp nor Unix seconds. */
function msOf(value: unknown): number {
  if (value instanceof Date) return value.getTime();
  // An object of JSON has no valueOf, CEL's `uint` has.
  const seconds = typeof value === "object" ? value?.valueOf?.() : value;
  const isNumber = typeof seconds === "number" || typeof seconds === "bigint";
  return isNumber ? Number(seconds) * 1_000 : Number.NaN;
}

/** Unix milliseconds; undefined where the source does not say. */
function writtenAt({ payload }: Packet): number | undefined {
  return payload.kind === "row" ? payload.ts * 1_000 : recordOf(payload)?.timestamp;
}

function* documents(gathered: Gathered, first: Packet, { by, ident }: State): Generator<Packet> {
  for (const { window, values, count, bytes } of gathered.values()) {
    const fields = by.map(([name], i) => [name, values[i] ?? null] as const);
    const json = exactText(
      exactObject([
        ["window", new Date(window).toISOString()],
        ...fields,
        ["count", count],
        ["bytes", bytes],
      ]),
    );
    // It is about many, so no record's key is its own.
    yield { ...documentPacket(json, first, ident), payload: { kind: "document", json } };
  }
}

function jsonOf(value: unknown): ExactJson {
  if (typeof value === "bigint") return exactNumber(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value === null || typeof value !== "object") return (value ?? null) as ExactJson;
  if (Array.isArray(value)) return value.map(jsonOf);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) {
    return exactObject(Object.entries(value).map(([name, one]) => [name, jsonOf(one)]));
  }
  // CEL's own values: `uint`, a duration.
  const inner = value.valueOf();
  return typeof inner === "bigint" ? exactNumber(inner) : `${value}`;
}

import {
  DbusError,
  type ErrorCode,
  JsonText,
  type Packet,
  toDbusError,
  type Value,
  type Verdict,
} from "#plugin";
import type { BulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import { retryAfterMs } from "#src/clients/elasticsearch/port.ts";
import type { BulkSender } from "./bulk-sender.ts";
import { inOrder } from "./in-order.ts";
import type { Indices } from "./indices.ts";
import type { ItemOutcome } from "./item-outcome.ts";
import type { Lineages } from "./lineages.ts";
import type { Operation, Operations } from "./operations.ts";
import type { Placed } from "./placed.ts";
import { versionOf } from "./versions.ts";

export type Writer = {
  readonly operations: Operations;
  readonly indices: Indices;
  readonly lineages: Lineages;
  readonly sender: BulkSender;
  readonly body: BulkBody;
  readonly contentBytesMax: number;
};

/** One operation of a batch, and whose it is. */
type Entry = Placed & { readonly packet: number; readonly operation: Operation };

type Encoded = {
  readonly entries: readonly Entry[];
  /** Of packets that have no operations. */
  readonly errors: (DbusError | undefined)[];
  /** What must be asked before the rest can be encoded, and whose it is. */
  readonly unknown: readonly { readonly packet: number; readonly operation: Operation }[];
};

/** Somebody has to do something first, so there is no hurry. */
const patienceMs: Partial<Record<ErrorCode, number>> = {
  ES_INDEX_MISSING: 2_000,
  ES_INDEX_BLOCKED: 1_000,
  ES_INDEX_UNSUITABLE: 10_000,
  ES_DENIED: 10_000,
  ES_LINEAGES_EXHAUSTED: 30_000,
  ES_AUTH: 30_000,
  ES_TLS: 30_000,
  ES_NOT_ELASTICSEARCH: 30_000,
  ES_REQUEST_REFUSED: 10_000,
};

/** These concern one packet; whatever else goes wrong is tried again until it goes right. */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "FORMAT_KEY_MISSING",
  "FORMAT_TEMPLATE",
  "FORMAT_VALUE",
  "ES_ROW_PARTIAL",
  "ES_INDEX_INVALID",
  "ES_INDEX_COLLISION",
  "ES_TOO_LARGE",
]);

/** Writes packets and says of each what became of it: undefined when all are there. */
export async function writePackets(
  writer: Writer,
  packets: readonly Packet[],
): Promise<readonly Verdict[] | undefined> {
  const { body, sender } = writer;
  writer.indices.refresh();
  let encoded = encodeAll(writer, packets, new Map());
  if (encoded.unknown.length > 0) {
    const unknown = encoded.unknown.map(({ operation }) => operation);
    encoded = encodeAll(writer, packets, await learnAll(writer, unknown));
  }
  const { entries, errors } = encoded;
  for (const { packet, operation } of encoded.unknown) errors[packet] ??= forgotten(operation);
  const outcomes = await sender.send(body, entries);
  body.truncate(0);
  const surpassed = await surpassAll(writer, entries, outcomes);
  if (errors.every((error) => error === undefined) && surpassed.every((one) => one === "done")) {
    return undefined;
  }
  const verdicts = verdictsOf(writer, packets.length, errors, entries, surpassed);
  return inOrder(packets, verdicts, writer.operations);
}

/** More indices are in use than are kept in mind. */
function forgotten({ index }: Operation): DbusError {
  return new DbusError("ES_UNAVAILABLE", `index ${index} is to be looked up again`);
}

/** `failures` are what stands against an index, after it was asked for. */
function encodeAll(
  { operations, indices, lineages, body, contentBytesMax }: Writer,
  packets: readonly Packet[],
  failures: ReadonlyMap<string, DbusError>,
): Encoded {
  const entries: Entry[] = [];
  const errors: (DbusError | undefined)[] = new Array(packets.length).fill(undefined);
  const unknown: { readonly packet: number; readonly operation: Operation }[] = [];
  body.truncate(0);

  function encode(operation: Operation, packet: number): Entry | undefined {
    const { index, place, document } = operation;
    const failure = failures.get(index);
    if (failure !== undefined) throw failure;
    const lineage = place && lineages.number(index, place.lineage);
    if (!indices.isKnown(index) || (place !== undefined && lineage === undefined)) {
      unknown.push({ packet, operation });
      return undefined;
    }
    const version = place && lineage ? versionOf(lineage, place) : undefined;
    const from = body.length;
    body.action(operation, version, place?.shared ?? false);
    document?.(body);
    const isRecord = place?.isRecord ?? false;
    return { from, to: body.length, index, version, isRecord, packet, operation };
  }

  for (let i = 0; i < packets.length; i++) {
    const packet = packets[i] as Packet;
    const bytesBefore = body.length;
    const entriesBefore = entries.length;
    let isWhole = true;
    try {
      if (roughBytes(packet) > contentBytesMax) throw tooLarge(packet, contentBytesMax);
      for (const operation of operations(packet)) {
        const entry = encode(operation, i);
        if (entry === undefined) isWhole = false;
        else entries.push(entry);
      }
    } catch (error) {
      isWhole = false;
      errors[i] = toDbusError(error, "FORMAT_VALUE");
    }
    if (isWhole) continue;
    body.truncate(bytesBefore);
    entries.length = entriesBefore;
  }
  return { entries, errors, unknown };
}

/** What of a packet is in its JSON at least, looked at where it may be too much to encode. */
function roughBytes({ payload, bytes }: Packet): number {
  if (bytes < 1 << 20) return 0;
  switch (payload.kind) {
    case "row":
      return (payload.op === "D" ? [] : (payload.after ?? [])).reduce(
        (sum: number, value) => sum + lengthOf(value),
        0,
      );
    case "bytes":
      return payload.value?.length ?? 0;
    default:
      return payload.kind === "text" ? payload.text.length : payload.json.length;
  }
}

function lengthOf(value: Value): number {
  if (value instanceof JsonText) return value.text.length;
  return typeof value === "string" || value instanceof Uint8Array ? value.length : 0;
}

function tooLarge(packet: Packet, max: number): DbusError {
  const what = `a document of more than ${roughBytes(packet)} bytes`;
  return new DbusError("ES_TOO_LARGE", `${what}, the nodes take ${max} in one request`);
}

/** Asks for each index and each lineage once. */
async function learnAll(
  { indices, lineages }: Writer,
  unknown: readonly Operation[],
): Promise<ReadonlyMap<string, DbusError>> {
  const failures = new Map<string, DbusError>();
  for (const { index, place, at } of unknown) {
    if (failures.has(index)) continue;
    try {
      if (!indices.isKnown(index)) await indices.learn(index);
      if (place !== undefined && lineages.number(index, place.lineage) === undefined) {
        await lineages.learn(index, place.lineage, at);
      }
    } catch (error) {
      failures.set(index, toDbusError(error));
    }
  }
  return failures;
}

type Settled = Exclude<ItemOutcome, { readonly surpassed: number }>;

function isSettled(outcome: ItemOutcome): outcome is Settled {
  return outcome === "done" || !("surpassed" in outcome);
}

/** A row below the version of another lineage is old, or its lineage gets a higher number. */
async function surpassAll(
  { lineages }: Writer,
  entries: readonly Entry[],
  outcomes: readonly ItemOutcome[],
): Promise<readonly Settled[]> {
  if (outcomes.every(isSettled)) return outcomes;
  const settled: Settled[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    if (isSettled(outcome)) {
      settled.push(outcome);
      continue;
    }
    const { index, operation } = entries[i] as Entry;
    try {
      const lineage = operation.place?.lineage ?? "";
      const again = await lineages.surpass(index, lineage, outcome.surpassed, operation.at);
      const what = `index ${index} has versions of another server; its number was raised`;
      settled.push(again ? { wait: new DbusError("ES_UNAVAILABLE", what) } : "done");
    } catch (error) {
      settled.push({ wait: toDbusError(error) });
    }
  }
  return settled;
}

function verdictsOf(
  { indices }: Writer,
  count: number,
  errors: readonly (DbusError | undefined)[],
  entries: readonly Entry[],
  outcomes: readonly Settled[],
): readonly Verdict[] {
  const waits: (DbusError | undefined)[] = new Array(count).fill(undefined);
  const refused: (DbusError | undefined)[] = new Array(count).fill(undefined);
  for (const [i, error] of errors.entries()) {
    if (error !== undefined) (refusals.has(error.code) ? refused : waits)[i] = error;
  }
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome === "done") continue;
    const { packet, index } = entries[i] as Entry;
    if ("wait" in outcome) {
      waits[packet] ??= outcome.wait;
      // It may have gone, or have become something else.
      if (/^ES_INDEX_/.test(outcome.wait.code)) indices.forget(index);
    } else refused[packet] ??= outcome.refused;
  }
  return waits.map((wait, i): Verdict => {
    if (wait !== undefined) {
      const waitMs = Math.max(patienceMs[wait.code] ?? 0, retryAfterMs(wait));
      return { retryAfterMs: waitMs, error: wait };
    }
    const refusal = refused[i];
    return refusal === undefined ? "done" : { failed: refusal };
  });
}

import { DbusError, type ErrorCode, toDbusError } from "#plugin";
import type { BulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import type { EsClient } from "#src/clients/elasticsearch/port.ts";
import { type ItemOutcome, itemOutcome } from "./item-outcome.ts";
import type { Placed } from "./placed.ts";

export type BulkSender = {
  /** Sends what is in the body, in as many requests as it takes; one outcome an operation. */
  send(body: BulkBody, operations: readonly Placed[]): Promise<readonly ItemOutcome[]>;
};

type Options = {
  readonly bulkBytesMax: number;
  /** What the nodes take in one request. */
  readonly contentBytesMax: number;
  /** The ingest pipeline of all documents, by its name in the config. */
  readonly pipeline?: string | undefined;
  readonly signal: AbortSignal;
};

/** A cluster that is busy is not asked for less than this at a time. */
const bytesMin = 64 << 10;
/** How fast requests grow again once they are taken. */
const growth = 16;

/** These may concern one document of a request: it is halved until that one is found. */
const dividing: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["ES_TOO_LARGE", "ES_REQUEST_REFUSED"]);

export function createBulkSender(client: Pick<EsClient, "bulk">, options: Options): BulkSender {
  const { contentBytesMax, pipeline, signal } = options;
  const bytesMax = Math.min(options.bulkBytesMax, contentBytesMax);
  let bytes = bytesMax;

  /** Less at once when the cluster has refused, a little more each time that it has not. */
  function adapt(isBusy: boolean): void {
    bytes = isBusy
      ? Math.max(Math.min(bytesMin, bytesMax), Math.floor(bytes / 2))
      : Math.min(bytesMax, bytes + Math.ceil(bytesMax / growth));
  }

  async function sendPart(
    body: BulkBody,
    part: readonly Placed[],
  ): Promise<readonly ItemOutcome[]> {
    const [first] = part;
    const last = part.at(-1);
    if (first === undefined || last === undefined) return [];
    try {
      const answer = await client.bulk(body.bytes(first.from, last.to), signal);
      if (answer === "done") return part.map(() => "done" as const);
      if (answer.length !== part.length) {
        const what = `${answer.length} answers to ${part.length} operations`;
        throw new DbusError("ES_UNAVAILABLE", what);
      }
      return answer.map((item, i) => itemOutcome(item, part[i] as Placed, pipeline));
    } catch (thrown) {
      const error = toDbusError(thrown);
      if (!dividing.has(error.code)) return part.map(() => ({ wait: error }));
      if (part.length === 1) return [{ refused: refusalOf(error) }];
      const middle = Math.ceil(part.length / 2);
      const before = await sendPart(body, part.slice(0, middle));
      return [...before, ...(await sendPart(body, part.slice(middle)))];
    }
  }

  return {
    async send(body, operations) {
      const outcomes: ItemOutcome[] = [];
      let at = 0;
      while (at < operations.length) {
        const end = partEnd(operations, at, bytes, contentBytesMax);
        // What no node would take is not sent: it would only end the connection, again and again.
        const isTooLarge = end === at;
        const part = operations.slice(at, Math.max(end, at + 1));
        const made = isTooLarge
          ? [{ refused: tooLarge(part[0] as Placed, contentBytesMax) }]
          : await sendPart(body, part);
        outcomes.push(...made);
        at += part.length;
        const waiting = made.find((outcome) => outcome !== "done" && "wait" in outcome);
        if (!isTooLarge) adapt(isBusy(waiting));
        if (waiting === undefined) continue;
        // What is behind it must not be ahead of it, and would only meet the same.
        while (outcomes.length < operations.length) outcomes.push(waiting);
        break;
      }
      return outcomes;
    },
  };
}

function isBusy(outcome: ItemOutcome | undefined): boolean {
  return (
    outcome !== undefined &&
    outcome !== "done" &&
    "wait" in outcome &&
    outcome.wait.code === "ES_BUSY"
  );
}

/** Where the part that begins at `at` ends; `at` itself when its first is above `max`. */
function partEnd(operations: readonly Placed[], at: number, bytes: number, max: number): number {
  const { from, to } = operations[at] as Placed;
  if (to - from > max) return at;
  let end = at + 1;
  while (end < operations.length && (operations[end] as Placed).to - from <= bytes) end++;
  return end;
}

function tooLarge({ from, to, index }: Placed, max: number): DbusError {
  const what = `a document of ${to - from} bytes for ${index}, the nodes take ${max} in one request`;
  return new DbusError("ES_TOO_LARGE", what);
}

/** One document alone: what was said of the request is said of it. */
function refusalOf(error: DbusError): DbusError {
  return error.code === "ES_TOO_LARGE"
    ? error
    : new DbusError("ES_DOCUMENT_REJECTED", error.message, { remedy: error.remedy });
}

import { describe, expect, test } from "bun:test";
import { createBulkSender } from "#plugins/output/es/bulk-sender.ts";
import { type ItemOutcome, itemOutcome } from "#plugins/output/es/item-outcome.ts";
import type { Placed } from "#plugins/output/es/placed.ts";
import { versionOf } from "#plugins/output/es/versions.ts";
import { createBulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import { type DocumentVersion, wholeVersion } from "#src/clients/elasticsearch/document-version.ts";
import type { BulkAnswer } from "#src/clients/elasticsearch/port.ts";
import { DbusError } from "#src/errors.ts";

/** A body of documents of so many bytes each, filled with its number. */
function bodyOf(...sizes: readonly number[]) {
  const body = createBulkBody();
  const placed = sizes.map((size, i): Placed => {
    const from = body.length;
    body.text(String(i % 10).repeat(size - 1));
    return { from, to: body.length, index: "i", version: undefined, isRecord: false };
  });
  return { body, placed };
}

/** Sends it to a node that answers as told; which numbers each request had. */
async function send(
  sizes: readonly number[],
  answer: (numbers: string, bytes: number) => BulkAnswer | DbusError,
  limits = { bulkBytesMax: 1_000_000, contentBytesMax: 1_000_000 },
) {
  const requests: string[] = [];
  const { body, placed } = bodyOf(...sizes);
  const bulk = async (bytes: Uint8Array): Promise<BulkAnswer> => {
    const lines = Buffer.from(bytes).toString().trimEnd().split("\n");
    const numbers = lines.map((line) => line[0]).join("");
    requests.push(numbers);
    const given = answer(numbers, bytes.length);
    if (given instanceof DbusError) throw given;
    return given;
  };
  const signal = new AbortController().signal;
  const sender = createBulkSender({ bulk }, { ...limits, signal });
  const outcomes = await sender.send(body, placed);
  return { requests, outcomes: outcomes.map(short), again: () => sender.send(body, placed) };
}

function short(outcome: ItemOutcome): string {
  if (outcome === "done") return outcome;
  if ("surpassed" in outcome) return `surpassed ${outcome.surpassed}`;
  return "wait" in outcome ? `wait ${outcome.wait.code}` : `refused ${outcome.refused.code}`;
}

describe("requests", () => {
  test("are no larger than told, unless one document is", async () => {
    const limits = { bulkBytesMax: 100, contentBytesMax: 500 };
    const { requests } = await send([40, 40, 40, 200, 10], () => "done", limits);
    expect(requests).toEqual(["01", "2", "3", "4"]);
  });

  test("a document that no node takes is not sent at all (fault 46)", async () => {
    const limits = { bulkBytesMax: 100, contentBytesMax: 100 };
    const { requests, outcomes } = await send([40, 101, 40], () => "done", limits);
    expect([requests, outcomes]).toEqual([
      ["0", "2"],
      ["done", "refused ES_TOO_LARGE", "done"],
    ]);
  });

  test("what is refused as too large is halved until it goes through (fault 46)", async () => {
    const max = (_: string, bytes: number): BulkAnswer | DbusError =>
      bytes > 45 ? new DbusError("ES_TOO_LARGE", "413") : "done";
    const { requests, outcomes } = await send([20, 20, 20, 50, 20], max);
    expect(requests).toEqual(["01234", "012", "01", "2", "34", "3", "4"]);
    expect(outcomes).toEqual(["done", "done", "done", "refused ES_TOO_LARGE", "done"]);
  });

  test("one operation that makes a request invalid is found, and the others are written", async () => {
    const answer = (numbers: string) =>
      numbers.includes("2") ? new DbusError("ES_REQUEST_REFUSED", "400") : ("done" as const);
    const { outcomes } = await send([10, 10, 10, 10], answer);
    expect(outcomes).toEqual(["done", "done", "refused ES_DOCUMENT_REJECTED", "done"]);
  });

  test("a cluster that cannot be reached has all of the rest wait", async () => {
    const limits = { bulkBytesMax: 25, contentBytesMax: 1_000 };
    const answer = (numbers: string) =>
      numbers.includes("2") ? new DbusError("ES_UNREACHABLE", "gone") : ("done" as const);
    const { requests, outcomes } = await send([10, 10, 10, 10, 10, 10], answer, limits);
    expect(requests).toEqual(["01", "23"]);
    expect(outcomes).toEqual(["done", "done", ...Array(4).fill("wait ES_UNREACHABLE")]);
  });

  test("a busy cluster gets less at a time, and more again once it takes it (fault 45)", async () => {
    const kib = 1024;
    let busy = true;
    const sizes: number[] = [];
    const answer = (numbers: string, bytes: number): BulkAnswer => {
      sizes.push(bytes);
      const item = { status: 429, type: "es_rejected_execution_exception", reason: "full" };
      return busy ? [...numbers].map(() => item) : "done";
    };
    const limits = { bulkBytesMax: 512 * kib, contentBytesMax: 1024 * kib };
    const { outcomes, again } = await send(Array(16).fill(32 * kib), answer, limits);
    expect(new Set(outcomes)).toEqual(new Set(["wait ES_BUSY"]));
    await again();
    await again();
    await again();
    await again();
    expect(sizes).toEqual([512, 256, 128, 64, 64].map((size) => size * kib));
    busy = false;
    for (let n = 0; n < 8; n++) await again();
    expect(sizes.at(-1)).toBeGreaterThan(256 * kib);
  });

  test("an answer for other operations than were sent settles nothing", async () => {
    const { outcomes } = await send([10, 10], () => [{ status: 201, type: undefined, reason: "" }]);
    expect(outcomes).toEqual(["wait ES_UNAVAILABLE", "wait ES_UNAVAILABLE"]);
  });
});

describe("items (fault 44)", () => {
  const outcome = (status: number, type?: string, reason = "", more: Partial<Placed> = {}) =>
    short(itemOutcome({ status, type, reason }, { ...placed, ...more }));
  const placed: Placed = {
    from: 0,
    to: 1,
    index: "i",
    version: { upper: 0, lower: 5 },
    isRecord: false,
  };

  test("a pipeline that is gone has the documents wait that all take it", () => {
    const item = { status: 400, type: "illegal_argument_exception" };
    const of = (pipeline: string | undefined, reason: string) =>
      short(itemOutcome({ ...item, reason }, placed, pipeline));
    const gone = "pipeline with id [p] does not exist";
    expect(of("p", gone)).toBe("wait ES_REQUEST_REFUSED");
    // The data name it, or another one.
    expect(of(undefined, gone)).toBe("refused ES_DOCUMENT_REJECTED");
    expect(of("q", gone)).toBe("refused ES_DOCUMENT_REJECTED");
    expect(of("p", "field [n] is missing")).toBe("refused ES_DOCUMENT_REJECTED");
  });

  test("each has its own verdict", () => {
    const table: readonly (readonly [number, string | undefined, string])[] = [
      [200, undefined, "done"],
      [201, undefined, "done"],
      // A delete of what is not there.
      [404, undefined, "done"],
      [429, "es_rejected_execution_exception", "wait ES_BUSY"],
      [429, "circuit_breaking_exception", "wait ES_BUSY"],
      [503, "unavailable_shards_exception", "wait ES_UNAVAILABLE"],
      [500, "anything", "wait ES_UNAVAILABLE"],
      [404, "illegal_index_shard_state_exception", "wait ES_UNAVAILABLE"],
      [500, "not_x_content_exception", "refused ES_DOCUMENT_REJECTED"],
      [500, "fail_processor_exception", "refused ES_DOCUMENT_REJECTED"],
      [403, "cluster_block_exception", "wait ES_INDEX_BLOCKED"],
      [429, "cluster_block_exception", "wait ES_INDEX_BLOCKED"],
      [400, "index_closed_exception", "wait ES_INDEX_BLOCKED"],
      [403, "security_exception", "wait ES_DENIED"],
      [404, "index_not_found_exception", "wait ES_INDEX_MISSING"],
      [400, "document_parsing_exception", "refused ES_DOCUMENT_REJECTED"],
      [400, "strict_dynamic_mapping_exception", "refused ES_DOCUMENT_REJECTED"],
      [400, "invalid_index_name_exception", "refused ES_INDEX_INVALID"],
    ];
    const seen = table.map(([status, type]) => [status, type, outcome(status, type)]);
    expect(seen).toEqual(table.map((line) => [...line]));
  });

  const conflict = (stored: DocumentVersion, version: DocumentVersion, isRecord = false) => {
    const [is, was] = [stored, version].map(wholeVersion);
    const said = `current version [${is}] is higher or equal to the one provided [${was}]`;
    const reason = `[1]: version conflict, ${said}`;
    return outcome(409, "version_conflict_engine_exception", reason, { version, isRecord });
  };
  const at = (lineage: number, offset: number, base = 0) =>
    versionOf(lineage, { lineage: "", base, offset, shared: false, isRecord: false });

  test("a conflict is a success only when what is there is as new in the same lineage", () => {
    expect(conflict(at(1, 9), at(1, 9))).toBe("done");
    expect(conflict(at(1, 10), at(1, 9))).toBe("done");
    expect(conflict(at(1, 8), at(1, 9))).toBe("wait ES_UNAVAILABLE");
    expect(conflict(at(3, 1), at(1, 9))).toBe("surpassed 3");
    const bare = outcome(409, "version_conflict_engine_exception", "required seqNo [1]");
    expect(bare).toBe("refused ES_DOCUMENT_REJECTED");
  });

  test("a record that another partition has overtaken is not dropped in silence", () => {
    const of = (partition: number, offset: number) => at(1, offset, partition * 2 ** 40);
    expect(conflict(of(7, 5), of(2, 900), true)).toBe("refused ES_ORDER_UNKNOWN");
    expect(conflict(of(2, 901), of(2, 900), true)).toBe("done");
  });

  test("what a first try has created is there", () => {
    const reason = "[x]: version conflict, document already exists (current version [1])";
    const type = "version_conflict_engine_exception";
    expect(outcome(409, type, reason, { version: undefined })).toBe("done");
  });
});

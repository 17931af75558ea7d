import { createBulkSender } from "#plugins/output/es/bulk-sender.ts";
import { esOutputSchema } from "#plugins/output/es/es-config.ts";
import { createIndices } from "#plugins/output/es/indices.ts";
import { createLineages } from "#plugins/output/es/lineages.ts";
import { createOperations } from "#plugins/output/es/operations.ts";
import { type Writer, writePackets } from "#plugins/output/es/write.ts";
import { createBulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import type { BulkItem, EsDocument } from "#src/clients/elasticsearch/port.ts";
import { systemClock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import { silentLog } from "#src/log.ts";
import type { Verdict } from "#src/plugin/define.ts";

type Action = {
  readonly _index: string;
  readonly _id: string;
  readonly version?: number;
  readonly version_type?: "external" | "external_gte";
};

/** One document, or what is remembered of one that was deleted. */
type Stored = { readonly version: bigint; readonly source: string | undefined };

/** What a node that holds documents in memory may do instead of its work. */
export type NodeFaults = {
  /** Refuses an item. */
  readonly item?: (id: string) => BulkItem | undefined;
  /** Does its work, and its answer is lost. */
  readonly swallow?: () => boolean;
};

const ok: BulkItem = { status: 200, type: undefined, reason: "" };

/** External versions as Elasticsearch compares them; those of deletes are never forgotten. */
export function createNodeModel({ item, swallow }: NodeFaults = {}) {
  const stored = new Map<string, Stored>();
  const kept = new Map<string, EsDocument>();

  function apply(verb: string, action: Action, digits: string, source: string | undefined) {
    const key = `${action._index}/${action._id}`;
    const found = stored.get(key);
    const version = digits === "" ? (found?.version ?? 0n) + 1n : BigInt(digits);
    const isOld =
      digits !== "" &&
      found !== undefined &&
      (action.version_type === "external_gte" ? found.version > version : found.version >= version);
    if (isOld) {
      const reason = `current version [${found.version}] is higher or equal to the one provided [${version}]`;
      return { status: 409, type: "version_conflict_engine_exception", reason };
    }
    if (verb === "create" && found?.source !== undefined) {
      return { status: 409, type: "x", reason: "document already exists" };
    }
    stored.set(key, { version, source });
    return ok;
  }

  return {
    /** The documents that are there, by `index/id`. */
    documents: () =>
      new Map(
        [...stored].flatMap(([key, { source }]) => (source === undefined ? [] : [[key, source]])),
      ),
    async bulk(body: Uint8Array) {
      const items: BulkItem[] = [];
      const lines = Buffer.from(body).toString().trimEnd().split("\n");
      while (lines.length > 0) {
        const line = lines.shift() ?? "";
        const [[verb, action]] = Object.entries(JSON.parse(line)) as [[string, Action]];
        const source = verb === "delete" ? undefined : lines.shift();
        const digits = /"version":(\d+)/.exec(line)?.[1] ?? "";
        items.push(item?.(action._id) ?? apply(verb, action, digits, source));
      }
      if (swallow?.()) throw new DbusError("ES_UNREACHABLE", "no answer");
      return items;
    },
    resolve: async () => ({ kind: "index" }) as const,
    createIndex: async () => {},
    setting: async () => undefined,
    document: async (_: string, id: string) => kept.get(id) ?? null,
    async replace(_: string, id: string, source: object, was: EsDocument | null) {
      if (kept.get(id)?.seqNo !== was?.seqNo) return false;
      kept.set(id, { source, seqNo: (was?.seqNo ?? 0) + 1, primaryTerm: 1 });
      return true;
    },
  };
}

export type NodeModel = ReturnType<typeof createNodeModel>;

/** An output on such a node that keeps no more than ten indices in mind; its verdicts. */
export function writerOn(node: NodeModel, config: object) {
  const parsed = esOutputSchema.parse({ nodes: ["http://h:1"], ...config });
  const { signal } = new AbortController();
  const limits = { bulkBytesMax: parsed.bulkBytesMax, contentBytesMax: 1 << 26, signal };
  const writer: Writer = {
    operations: createOperations(parsed, systemClock),
    indices: createIndices(node, parsed, { clock: systemClock, log: silentLog, max: 10 }),
    lineages: createLineages(node, "kept", () => {}),
    sender: createBulkSender(node, limits),
    body: createBulkBody(),
    contentBytesMax: 1 << 26,
  };
  return async (packets: readonly Packet[]): Promise<readonly Verdict[]> =>
    (await writePackets(writer, packets)) ?? packets.map(() => "done" as const);
}

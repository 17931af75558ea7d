import { expect, test } from "bun:test";
import { createBulkSender } from "#plugins/output/es/bulk-sender.ts";
import { esOutputSchema } from "#plugins/output/es/es-config.ts";
import { createIndices } from "#plugins/output/es/indices.ts";
import { createLineages } from "#plugins/output/es/lineages.ts";
import { createOperations } from "#plugins/output/es/operations.ts";
import { type Writer, writePackets } from "#plugins/output/es/write.ts";
import { createBulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import type { BulkItem } from "#src/clients/elasticsearch/port.ts";
import { systemClock } from "#src/clock.ts";
import type { Packet } from "#src/flow/packet.ts";
import { silentLog } from "#src/log.ts";
import { documentOf } from "../../../support/field-packets.ts";

const ok: BulkItem = { status: 201, type: undefined, reason: "" };
const busy: BulkItem = { status: 429, type: "es_rejected_execution_exception", reason: "" };

/** A writer on a node that holds documents without versions, and answers items as told. */
function bench(config: object, answer: (id: string, source: string) => BulkItem = () => ok) {
  const documents = new Map<string, string>();
  const client = {
    bulk: async (body: Uint8Array) => {
      const items: BulkItem[] = [];
      const lines = Buffer.from(body).toString().trimEnd().split("\n");
      while (lines.length > 0) {
        const [verb, action] = Object.entries(JSON.parse(lines.shift() ?? ""))[0] as [
          string,
          Named,
        ];
        const source = verb === "delete" ? "" : (lines.shift() ?? "");
        const item = answer(action._id, source);
        items.push(item);
        if (item !== ok) continue;
        const key = `${action._index}/${action._id}`;
        if (verb === "delete") documents.delete(key);
        else documents.set(key, source);
      }
      return items;
    },
    resolve: async () => ({ kind: "index" }) as const,
    createIndex: async () => {},
    setting: async () => undefined,
    document: async () => null,
    replace: async () => true,
  };
  const parsed = esOutputSchema.parse({ nodes: ["http://h:1"], ...config });
  const signal = new AbortController().signal;
  const limits = { bulkBytesMax: 1 << 26, contentBytesMax: 1 << 26 };
  const writer: Writer = {
    operations: createOperations(parsed, systemClock),
    indices: createIndices(client, parsed, { clock: systemClock, log: silentLog, max: 10 }),
    lineages: createLineages(client, "kept", () => {}),
    sender: createBulkSender(client, { ...limits, signal }),
    body: createBulkBody(),
    contentBytesMax: 1 << 26,
  };
  const write = async (packets: readonly Packet[]) =>
    (await writePackets(writer, packets)) ?? packets.map(() => "done" as const);
  return { documents, write };
}

type Named = { readonly _index: string; readonly _id: string };

test("a document that waits is not overtaken for good by what is behind it", async () => {
  const refusals = [busy, ok, ok, busy, ok];
  const { documents, write } = bench({ index: "i", id: "${row.id}" }, () => refusals.shift() ?? ok);
  const all = ["a1", "a2", "b1", "c1", "c2"].map((text) =>
    documentOf(JSON.stringify({ id: text[0], text })),
  );
  let left: readonly Packet[] = all;
  const tries: number[] = [];
  while (left.length > 0) {
    tries.push(left.length);
    const verdicts = await write(left);
    left = left.filter((_, i) => verdicts[i] !== "done");
  }
  // b1 has nobody before it.
  expect(tries).toEqual([5, 4]);
  const texts = [...documents.values()].map((source) => JSON.parse(source).text);
  expect(texts.sort()).toEqual(["a2", "b1", "c2"]);
});

test("more indices than are kept in mind lose no document", async () => {
  const { documents, write } = bench({ index: "${ident}", id: "1" });
  const all = Array.from({ length: 25 }, (_, i) => ({ ...documentOf("{}"), ident: `i${i}` }));
  let left: readonly Packet[] = all;
  for (let n = 0; n < 10 && left.length > 0; n++) {
    const verdicts = await write(left);
    left = left.filter((_, i) => verdicts[i] !== "done");
  }
  expect([left.length, documents.size]).toEqual([0, all.length]);
});

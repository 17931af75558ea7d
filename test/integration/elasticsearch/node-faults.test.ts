import { expect } from "bun:test";
import { esOutput } from "#plugins/output/es/es-output.ts";
import { toDbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import { startElasticsearch, useStarted } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { type EsPeer, esPeer, freshName } from "../../support/es-peer.ts";
import { placedRows } from "../../support/placed-rows.ts";
import { waitFor } from "../../support/wait-for.ts";

/** A node of this file's own, which is killed, and which has little room for writes. */
const own = await useStarted("elasticsearch", () =>
  startElasticsearch({
    settings: {
      "indexing_pressure.memory.limit": "2mb",
      "thread_pool.write.size": "1",
      "thread_pool.write.queue_size": "1",
    },
  }),
);

/** How far the writing is when the node is killed. */
const shares = process.env.DBUS_ES_KILLS === undefined ? [0.3] : [0.1, 0.3, 0.5, 0.7, 0.9];
const megabytes = Number(process.env.DBUS_ES_MEGABYTES ?? 100);

type Document = Readonly<Record<string, unknown>>;

/** Inserts and updates of `count` rows, each with a note of that size. */
function changes(table: string, count: number, noteBytes: number): Packet[] {
  const rows = placedRows(table);
  const filler = "x".repeat(noteBytes);
  const packets: Packet[] = [];
  for (let i = 0; i < count; i++) {
    packets.push(rows.next("I", { after: [i, `${filler}0`] }));
    if (i % 3 === 0)
      packets.push(rows.next("U", { before: [i, `${filler}0`], after: [i, `${i}`] }));
    if (i % 10 === 9) packets.push(rows.next("D", { before: [i, `${filler}0`] }));
  }
  return packets;
}

/** The note of each row that is left after `changes`. */
function left(count: number, noteBytes: number): Map<string, Document> {
  const filler = "x".repeat(noteBytes);
  const rows = new Map<string, Document>();
  for (let i = 0; i < count; i++) {
    if (i % 10 !== 9) rows.set(`${i}`, { id: i, note: i % 3 === 0 ? `${i}` : `${filler}0` });
  }
  return rows;
}

async function same(
  peer: EsPeer,
  index: string,
  rows: ReadonlyMap<string, Document>,
): Promise<void> {
  const found = await peer.documents(index);
  expect(found.size).toBe(rows.size);
  for (const [id, row] of rows) expect([id, found.get(id)]).toEqual([id, row]);
}

own.test(
  "fault 48: a node that is killed amid bulks has every row once it is back",
  async (node) => {
    const peer = esPeer(node.url);
    const table = freshName("t");
    const output = await driveOutput(esOutput, { nodes: [node.url], requestTimeoutMs: 5_000 });
    const packets = changes(table, 2_000, 100);
    let sent = 0;
    let tries = 0;
    const write = async () => {
      for (; sent < packets.length; sent += 100) {
        const { refused, retries } = await output.deliver(packets.slice(sent, sent + 100));
        expect(refused.size).toBe(0);
        tries += retries;
      }
    };
    const writing = write();
    for (const share of shares) {
      const reached = () => sent > packets.length * share;
      await waitFor(reached, { what: "rows to be written", timeoutMs: 60_000, intervalMs: 1 });
      node.kill("SIGKILL");
      expect(sent).toBeLessThan(packets.length);
      await node.restart();
    }
    await writing;
    expect(tries).toBeGreaterThan(0);
    await same(peer, `shop.${table}`, left(2_000, 100));
    await output.close();
  },
  180_000,
);

own.test(
  "fault 45: a node with too little room for a bulk gets less at a time, until all of it is there",
  async (node) => {
    const table = freshName("t");
    const output = await driveOutput(esOutput, { nodes: [node.url] });
    const packets = changes(table, 160, 40_000);
    const { retries, refused } = await output.deliver(packets, { batch: 100 });
    expect(refused.size).toBe(0);
    expect(retries).toBeGreaterThan(0);
    await same(esPeer(node.url), `shop.${table}`, left(160, 40_000));
    await output.close();
  },
);

own.test(
  "fault 45: while the queue of the node is full, rows wait and none is lost",
  async (node) => {
    const peer = esPeer(node.url);
    const other = freshName("other");
    let flooding = true;
    let rejected = 0;
    const lines = Array.from({ length: 300 }, (_, i) => `{"index":{}}\n{"n":${i}}\n`).join("");
    const flood = async () => {
      while (flooding) {
        const { json } = await peer.request("POST", `/${other}/_bulk`, lines);
        if (JSON.stringify(json).includes("rejected")) rejected++;
      }
    };
    const floods = Array.from({ length: 6 }, flood);
    const table = freshName("t");
    const output = await driveOutput(esOutput, { nodes: [node.url] });
    await waitFor(() => rejected > 3, { what: "the queue to be full", timeoutMs: 30_000 });
    const codes = new Set<string>();
    const packets = changes(table, 100, 20);
    const seen = { refused: 0 };
    let rest: readonly Packet[] = packets;
    while (rest.length > 0) {
      const batch = rest.slice(0, 50);
      const verdicts = await output.write(batch);
      const again = batch.filter((_, i) => {
        const verdict = verdicts[i] ?? "done";
        if (verdict === "done") return false;
        if ("failed" in verdict) seen.refused++;
        else codes.add(toDbusError(verdict.error).code);
        return true;
      });
      rest = [...again, ...rest.slice(50)];
    }
    flooding = false;
    await Promise.all(floods);
    expect([seen.refused, [...codes]]).toEqual([0, ["ES_BUSY"]]);
    await same(peer, `shop.${table}`, left(100, 20));
    await output.close();
  },
  120_000,
);

own.test(
  `${megabytes} MB of documents arrive, and dbus holds a batch of them at a time`,
  async (node) => {
    const table = freshName("t");
    const peer = esPeer(node.url);
    await peer.ok("PUT", `/shop.${table}`, {
      mappings: { properties: { note: { type: "keyword", index: false, doc_values: false } } },
    });
    const output = await driveOutput(esOutput, { nodes: [node.url], bulkBytesMax: 1_000_000 });
    const rows = placedRows(table);
    const note = "y".repeat(100_000);
    const before = process.memoryUsage().rss;
    let peak = 0;
    for (let n = 0; n < megabytes * 10; n += 50) {
      const packets = Array.from({ length: 50 }, (_, i) =>
        rows.next("I", { after: [n + i, note] }),
      );
      const { refused } = await output.deliver(packets);
      expect(refused.size).toBe(0);
      peak = Math.max(peak, process.memoryUsage().rss - before);
    }
    await peer.ok("POST", `/shop.${table}/_refresh`);
    const { count } = (await peer.ok("GET", `/shop.${table}/_count`)) as { count: number };
    expect(count).toBe(megabytes * 10);
    expect(peak).toBeLessThan(150 << 20);
    await output.close();
  },
  180_000,
);

import { describe, expect } from "bun:test";
import { once } from "node:events";
import { createServer } from "node:net";
import { esOutput } from "#plugins/output/es/es-output.ts";
import { toDbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Verdict } from "#src/plugin/define.ts";
import { outputPluginContract } from "../../contract/output-plugin.ts";
import { sharedElasticsearch, useServices } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { type DrivenOutput, driveOutput } from "../../support/drive-output.ts";
import { startEsGate } from "../../support/es-gate.ts";
import { type EsPeer, esPeer, freshName } from "../../support/es-peer.ts";
import { placedRows } from "../../support/placed-rows.ts";
import { recordedLog } from "../../support/recorded-log.ts";
import { samplePackets } from "../../support/sample-packets.ts";
import { waitFor } from "../../support/wait-for.ts";

const services = await useServices("elasticsearch");

/** What a verdict says, without its words. */
function short(verdict: Verdict): string {
  if (verdict === "done") return "done";
  const [what, error] = "failed" in verdict ? ["failed", verdict.failed] : ["wait", verdict.error];
  return `${what} ${toDbusError(error).code}`;
}

type Bench = {
  readonly peer: EsPeer;
  readonly table: string;
  readonly index: string;
  readonly output: DrivenOutput;
  write(...packets: readonly Packet[]): Promise<readonly string[]>;
};

/** An output of its own on a table of its own. */
async function bench(url: string, config: object = {}): Promise<Bench> {
  const table = freshName("t");
  const output = await driveOutput(esOutput, { nodes: [url], ...config });
  const write = async (...packets: readonly Packet[]) => (await output.write(packets)).map(short);
  return { peer: esPeer(url), table, index: `shop.${table}`, output, write };
}

/** Registers a test with a bench of its own. */
function onBench(name: string, run: (bench: Bench) => Promise<void>, config: object = {}): void {
  services.test(name, async ({ elasticsearch }) => {
    const made = await bench(elasticsearch.url, config);
    try {
      await run(made);
    } finally {
      await made.output.close();
      await made.peer.request("DELETE", `/${made.index}`);
    }
  });
}

describe("the contract of outputs", async () => {
  const { url } = await sharedElasticsearch();
  const index = `contract-${freshName("t")}-\${ident}`;
  outputPluginContract(esOutput, {
    config: () => ({ nodes: [url], index }),
    packets: samplePackets,
  });
});

onBench("rows are documents, and what comes again changes nothing", async (bench) => {
  const rows = placedRows(bench.table);
  const all = [
    rows.next("I", { after: [1, "a"] }),
    rows.next("I", { after: [2, "b"] }),
    rows.next("U", { before: [1, "a"], after: [1, "c"] }),
    rows.next("D", { before: [2, "b"] }),
    rows.next("U", { before: [1, "c"], after: [3, "c"] }),
  ];
  expect(await bench.write(...all)).toEqual(Array(5).fill("done"));
  const there = new Map([["3", { id: 3, note: "c" }]]);
  expect(await bench.peer.documents(bench.index)).toEqual(there);
  for (const [i] of all.entries()) {
    expect(await bench.write(...all.slice(i))).toEqual(Array(all.length - i).fill("done"));
    expect(await bench.peer.documents(bench.index)).toEqual(there);
  }
  const numbered = (await bench.peer.ok("GET", `/${bench.index}/_doc/3`)) as { _seq_no: number };
  expect(numbered._seq_no).toBe(all.length);
  // Not even what comes alone, out of its turn.
  expect(await bench.write(all[0] as Packet)).toEqual(["done"]);
  expect(await bench.peer.document(bench.index, "1")).toBeUndefined();
});

onBench(
  "a key that is handed on within one transaction is found at its last place",
  async (bench) => {
    const rows = placedRows(bench.table);
    await bench.write(rows.next("I", { after: [1, "x"] }), rows.next("I", { after: [2, "y"] }));
    // UPDATE t SET id = id + 1 ORDER BY id DESC, then the other way round.
    const moves = [
      rows.next("U", { before: [2, "y"], after: [3, "y"] }),
      rows.next("U", { before: [1, "x"], after: [2, "x"] }),
      rows.next("U", { before: [2, "x"], after: [1, "x"] }),
      rows.next("U", { before: [3, "y"], after: [2, "y"] }),
    ];
    await bench.write(...moves);
    const there = new Map([
      ["1", { id: 1, note: "x" }],
      ["2", { id: 2, note: "y" }],
    ]);
    expect(await bench.peer.documents(bench.index)).toEqual(there);
    for (const [i] of moves.entries()) await bench.write(...moves.slice(i));
    expect(await bench.peer.documents(bench.index)).toEqual(there);
  },
);

onBench(
  "requests as gzip, to a node behind others that are away or never answer",
  async ({ peer, table, index }) => {
    const rows = placedRows(table);
    const all = Array.from({ length: 500 }, (_, i) =>
      rows.next("I", { after: [i, "x".repeat(99)] }),
    );
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    const away = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${port}`];
    const output = await driveOutput(esOutput, {
      ...{ nodes: [...away, peer.url], compression: true, activeShards: 1 },
      ...{ bulkBytesMax: 10_000, requestTimeoutMs: 1_000 },
    });
    const { refused } = await output.deliver(all);
    expect([refused.size, (await peer.documents(index)).size]).toEqual([0, 500]);
    await output.close();
    silent.close();
  },
);

onBench(
  "a row that takes another routing is there under the new one, also in the same shard",
  async ({ peer, index, table, write }) => {
    const rows = placedRows(table);
    const all = [
      rows.next("I", { after: [1, "a"] }),
      rows.next("U", { before: [1, "a"], after: [1, "b"] }),
      rows.next("U", { before: [1, "b"], after: [1, "c"] }),
    ];
    for (const [i] of all.entries()) {
      expect(await write(...all.slice(i))).toEqual(Array(all.length - i).fill("done"));
      expect(await peer.documents(index)).toEqual(new Map([["1", { id: 1, note: "c" }]]));
    }
  },
  { routing: "${row.note}" },
);

onBench(
  "records that are no JSON object are refused alone, empty ones too",
  async ({ write, peer, index, table }) => {
    const values = ['{"n":1}', "", " ", "42", "null", "[1]", "{", '"x"', '{"n":2}', "{}{}"];
    const verdicts = await write(
      ...values.map((value, i): Packet => {
        const key = Buffer.from(String(i));
        const payload = { kind: "bytes", key, value: Buffer.from(value) } as const;
        const position = { topicId: table, partition: 0, offset: i };
        return {
          ...{ ident: index, position, bytes: 10 },
          payload: { ...payload, headers: [], timestamp: undefined },
        };
      }),
    );
    const good = [0, 8];
    expect(verdicts).toEqual(
      values.map((_, i) => (good.includes(i) ? "done" : "failed ES_DOCUMENT_REJECTED")),
    );
    expect([...(await peer.documents(index)).keys()]).toEqual(good.map(String));
  },
  { index: "${ident}" },
);

onBench(
  "fault 49: what is deleted stays so, for as long as the index remembers",
  async ({ peer, table, index, write }) => {
    const rows = placedRows(table);
    const [insert, remove] = [
      rows.next("I", { after: [1, "a"] }),
      rows.next("D", { before: [1, "a"] }),
    ];
    await write(insert, remove);
    const remembered = await peer.ok("GET", `/${index}/_settings?flat_settings=true`);
    expect(JSON.stringify(remembered)).toContain('"index.gc_deletes":"1h"');
    await peer.ok("POST", `/${index}/_refresh`);
    expect(await write(insert)).toEqual(["done"]);
    expect(await peer.document(index, "1")).toBeUndefined();
  },
);

services.test(
  "fault 49: an index that forgets its deletes sooner is warned of",
  async ({ elasticsearch }) => {
    const peer = esPeer(elasticsearch.url);
    const table = freshName("t");
    await peer.ok("PUT", `/shop.${table}`, { settings: { "index.gc_deletes": "1ms" } });
    const { log, entries } = recordedLog();
    const output = await driveOutput(esOutput, { nodes: [peer.url] }, log);
    const rows = placedRows(table);
    const [insert, remove] = [
      rows.next("I", { after: [1, "a"] }),
      rows.next("D", { before: [1, "a"] }),
    ];
    await output.write([insert, remove]);
    const warned = entries.filter(({ level }) => level === "warn");
    expect(JSON.stringify(warned)).toContain("index.gc_deletes");
    // What the warning is about: the row is back.
    const isBack = async () => {
      await peer.ok("POST", `/shop.${table}/_refresh`);
      await output.write([insert]);
      return (await peer.document(`shop.${table}`, "1")) !== undefined;
    };
    await waitFor(isBack, { what: "the deleted row to come back", timeoutMs: 20_000 });
    await output.close();
  },
);

onBench("fault 44: of a bulk with bad documents the good ones are there", async (bench) => {
  await bench.peer.ok("PUT", `/${bench.index}`, {
    mappings: { properties: { note: { type: "long" } } },
  });
  const rows = placedRows(bench.table);
  const notes = ["1", "secret-17", "3", "4"];
  const packets = notes.map((note, i) => rows.next("I", { after: [i, note] }));
  const verdicts = await bench.output.write(packets);
  expect(verdicts.map(short)).toEqual(["done", "failed ES_DOCUMENT_REJECTED", "done", "done"]);
  const said = JSON.stringify(
    verdicts.map((one) => (one === "done" || !("failed" in one) ? 0 : one.failed)),
  );
  expect(said).toContain("failed to parse field [note] of type [long]");
  expect(said).not.toContain("secret-17");
  expect([...(await bench.peer.documents(bench.index)).keys()].sort()).toEqual(["0", "2", "3"]);
});

onBench(
  "fault 50: a document of 2,000 fields is refused with the reason, or its fields are left out",
  async ({ peer, index, output }) => {
    const fields = Array.from({ length: 2_000 }, (_, i) => [`field${i}`, i]);
    const json = JSON.stringify({ id: 1, ...Object.fromEntries(fields) });
    const packet = (ident: string): Packet => ({
      ...{ ident, position: 1, bytes: 10 },
      payload: { kind: "document", json },
    });
    const [refused] = await output.write([packet(index)]);
    expect(short(refused ?? "done")).toBe("failed ES_DOCUMENT_REJECTED");
    expect(JSON.stringify(refused)).toContain("Limit of total fields");
    const wide = await driveOutput(esOutput, {
      ...{ nodes: [peer.url], index: "wide-${ident}", id: "${row.id}" },
      createIndices: { dynamic: "false" },
    });
    expect(await wide.write([packet(index)])).toEqual(["done"]);
    expect(Object.keys((await peer.document(`wide-${index}`, "1")) ?? {}).length).toBe(2_001);
    await wide.close();
  },
  { index: "${ident}" },
);

onBench("fault 48: a read-only index has its rows wait, and loses none", async (bench) => {
  const { peer, index, output, table } = bench;
  const rows = placedRows(table);
  const packets = Array.from({ length: 50 }, (_, i) => rows.next("I", { after: [i, "x"] }));
  await output.write(packets.slice(0, 10));
  for (const block of ["index.blocks.write", "index.blocks.read_only_allow_delete"]) {
    await peer.ok("PUT", `/${index}/_settings`, { [block]: true });
    expect(new Set((await output.write(packets)).map(short).slice(10))).toEqual(
      new Set(["wait ES_INDEX_BLOCKED"]),
    );
    await peer.ok("PUT", `/${index}/_settings`, { [block]: null });
  }
  await peer.ok("POST", `/${index}/_close`);
  expect((await output.write(packets)).map(short)[49]).toBe("wait ES_INDEX_BLOCKED");
  await peer.ok("POST", `/${index}/_open?wait_for_active_shards=1`);
  await output.deliver(packets);
  expect((await peer.documents(index)).size).toBe(50);
});

onBench(
  "fault 51: an index that may not be made is waited for",
  async ({ peer, table, index, write }) => {
    const row = placedRows(table).next("I", { after: [1, "a"] });
    expect(await write(row)).toEqual(["wait ES_INDEX_MISSING"]);
    expect((await peer.request("GET", `/${index}`)).status).toBe(404);
    await peer.ok("PUT", `/${index}`, {});
    expect(await write(row)).toEqual(["done"]);
  },
  { createIndices: false },
);

onBench("fault 51: an alias of one index may move, one of several is refused", async (bench) => {
  const { peer, index, write, table } = bench;
  const rows = placedRows(table);
  const [first, second] = [`${index}-1`, `${index}-2`];
  await peer.ok("PUT", `/${first}`, { aliases: { [index]: {} } });
  const insert = rows.next("I", { after: [1, "a"] });
  const update = rows.next("U", { before: [1, "a"], after: [1, "b"] });
  expect(await write(insert, update)).toEqual(["done", "done"]);
  const move = (actions: readonly object[]) => peer.ok("POST", "/_aliases", { actions });
  await peer.ok("PUT", `/${second}`, {});
  // What _reindex does with version_type external; it is a module that this node has not.
  const version = (1n << 56n) + (1n << 36n) + 357n;
  const copied = (await peer.document(first, "1")) ?? {};
  await peer.ok("PUT", `/${second}/_doc/1?version=${version}&version_type=external`, copied);
  await move([
    { remove: { index: first, alias: index } },
    { add: { index: second, alias: index } },
  ]);
  expect(await write(insert, update)).toEqual(["done", "done"]);
  expect(await peer.document(second, "1")).toEqual({ id: 1, note: "b" });
  // With an index that is written to, as a rollover leaves it: old rows would stay in the other.
  await move([
    { add: { index: second, alias: index, is_write_index: true } },
    { add: { index: first, alias: index, is_write_index: false } },
  ]);
  const later = await driveOutput(esOutput, { nodes: [peer.url] });
  const [verdict] = await later.write([rows.next("I", { after: [2, "c"] })]);
  expect(short(verdict ?? "done")).toBe("wait ES_INDEX_UNSUITABLE");
  await later.close();
  for (const one of [first, second]) await peer.request("DELETE", `/${one}`);
});

onBench(
  "after a failover smaller files and offsets are newer, and again when the server is back",
  async (bench) => {
    const { peer, index, write, table } = bench;
    const there = async () => (await peer.document(index, "1"))?.note;
    const one = placedRows(table, { lineage: "u1", file: "binlog.000900" });
    await write(one.next("I", { after: [1, "a"] }, 1_000));
    const late = one.next("U", { before: [1, "a"], after: [1, "late"] }, 1_001);
    const two = placedRows(table, { lineage: "u2", file: "binlog.000002" });
    expect(await write(two.next("U", { before: [1, "a"], after: [1, "b"] }, 2_000))).toEqual([
      "done",
    ]);
    expect(await there()).toBe("b");
    // What the first server had logged before comes late: it is old, whoever brings it.
    expect(await write(late)).toEqual(["done"]);
    expect(await there()).toBe("b");
    const back = placedRows(table, { lineage: "u1", file: "binlog.000901" });
    const written = back.next("U", { before: [1, "b"], after: [1, "c"] }, 3_000);
    expect(await write(written)).toEqual(["wait ES_UNAVAILABLE"]);
    expect(await write(written)).toEqual(["done"]);
    expect(await there()).toBe("c");
    const reset = placedRows(table, { lineage: "u1#2", file: "binlog.000001" });
    await write(reset.next("U", { before: [1, "c"], after: [1, "d"] }, 4_000));
    expect(await there()).toBe("d");
  },
);

onBench(
  "a template that names no column refuses the row alone, and an odd index name its table",
  async ({ table, output }) => {
    const rows = placedRows(table);
    const odd = placedRows("_x");
    const verdicts = await output.write([
      rows.next("I", { after: [1, "a"] }),
      { ...odd.next("I", { after: [2, "b"] }), ident: "_odd" },
      rows.next("I", { after: [3, null] }),
    ]);
    expect(verdicts.map(short)).toEqual([
      "done",
      "failed ES_INDEX_INVALID",
      "failed FORMAT_TEMPLATE",
    ]);
    expect(JSON.stringify(verdicts)).toContain("null");
  },
  { index: "${ident}", routing: "${row.id}", id: "${row.note}" },
);

onBench(
  "each document goes through the pipeline that its template names, and without it is refused",
  async ({ peer, table, index, output }) => {
    const rows = placedRows(table);
    await peer.ok("PUT", `/_ingest/pipeline/${table}-a`, { processors: [] });
    const [there, missing] = await output.write([
      rows.next("I", { after: [1, "a"] }),
      rows.next("I", { after: [2, "b"] }),
    ]);
    expect([short(there ?? "done"), short(missing ?? "done")]).toEqual([
      ...["done", "failed ES_DOCUMENT_REJECTED"],
    ]);
    expect(JSON.stringify(missing)).toContain(`pipeline with id [${table}-b] does not exist`);
    expect([...(await peer.documents(index)).keys()]).toEqual(["1"]);
    // One that is the same for all is looked for before the first row.
    const named = driveOutput(esOutput, { nodes: [peer.url], pipeline: `${table}-b` });
    await expect(named).rejects.toThrow(`there is no ingest pipeline ${table}-b`);
    // When it is deleted later, rows wait for it.
    const fixed = await driveOutput(esOutput, { nodes: [peer.url], pipeline: `${table}-a` });
    const row = rows.next("I", { after: [3, "c"] });
    await peer.ok("DELETE", `/_ingest/pipeline/${table}-a`);
    expect((await fixed.write([row])).map(short)).toEqual(["wait ES_REQUEST_REFUSED"]);
    await peer.ok("PUT", `/_ingest/pipeline/${table}-a`, { processors: [] });
    expect((await fixed.write([row])).map(short)).toEqual(["done"]);
    await fixed.close();
  },
  { pipeline: "${tbl}-${row.note}" },
);

services.test(
  "fault 46: a document of 200 MB is refused, and what is around it arrives",
  async (services) => {
    const { peer, output, table, index } = await bench(services.elasticsearch.url);
    const rows = placedRows(table);
    const large = { ...rows.next("I", { after: [2, "x".repeat(200 << 20)] }), bytes: 200 << 20 };
    const verdicts = await output.write([
      rows.next("I", { after: [1, "a"] }),
      large,
      rows.next("I", { after: [3, "c"] }),
    ]);
    expect(verdicts.map(short)).toEqual(["done", "failed ES_TOO_LARGE", "done"]);
    expect([...(await peer.documents(index)).keys()]).toEqual(["1", "3"]);
    await output.close();
  },
);

services.test(
  "fault 47: a bulk whose answer was lost is written once",
  async ({ elasticsearch }) => {
    let left = 3;
    const gate = await startEsGate(elasticsearch.url, {
      swallow: (request) => request.includes("_bulk") && left-- > 0,
    });
    const { output, table, index } = await bench(gate.url);
    const rows = placedRows(table);
    const packets = [
      rows.next("I", { after: [1, "a"] }),
      rows.next("U", { before: [1, "a"], after: [2, "b"] }),
      rows.next("D", { before: [2, "b"] }),
      rows.next("I", { after: [1, "d"] }),
    ];
    const { retries, refused } = await output.deliver(packets);
    expect([retries, refused.size]).toEqual([3, 0]);
    expect(await esPeer(elasticsearch.url).documents(index)).toEqual(
      new Map([["1", { id: 1, note: "d" }]]),
    );
    await output.close();
    await gate.close();
  },
);

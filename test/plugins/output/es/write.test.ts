import { expect, test } from "bun:test";
import fc from "fast-check";
import type { BulkItem } from "#src/clients/elasticsearch/port.ts";
import { RowPosition } from "#src/clients/mysql/binlog/position.ts";
import type { Packet, RowChange } from "#src/flow/packet.ts";
import { createNodeModel, writerOn } from "../../../support/es-model.ts";
import { documentOf } from "../../../support/field-packets.ts";
import { type Note, notePacket, noteTable } from "../../../support/row-packets.ts";

const unfit: BulkItem = { status: 400, type: "document_parsing_exception", reason: "" };
const busy: BulkItem = { status: 429, type: "es_rejected_execution_exception", reason: "" };

test("a document that waits is not overtaken for good by what is behind it", async () => {
  const refusals = [busy, undefined, undefined, busy];
  const node = createNodeModel({ item: () => refusals.shift() });
  const write = writerOn(node, { index: "i", id: "${row.id}" });
  let left: readonly Packet[] = ["a1", "a2", "b1", "c1", "c2"].map((text) =>
    documentOf(JSON.stringify({ id: text[0], text })),
  );
  const tries: number[] = [];
  while (left.length > 0) {
    tries.push(left.length);
    const verdicts = await write(left);
    left = left.filter((_, i) => verdicts[i] !== "done");
  }
  // b1 has nobody before it.
  expect(tries).toEqual([5, 4]);
  const texts = [...node.documents().values()].map((source) => JSON.parse(source).text);
  expect(texts.sort()).toEqual(["a2", "b1", "c2"]);
});

test("more indices than are kept in mind lose no document", async () => {
  const node = createNodeModel();
  const write = writerOn(node, { index: "${ident}", id: "1" });
  const all = Array.from({ length: 25 }, (_, i) => ({ ...documentOf("{}"), ident: `i${i}` }));
  let left: readonly Packet[] = all;
  for (let n = 0; n < 10 && left.length > 0; n++) {
    const verdicts = await write(left);
    left = left.filter((_, i) => verdicts[i] !== "done");
  }
  expect([left.length, node.documents().size]).toEqual([0, all.length]);
});

const table = noteTable("shop", "t");

/** What is done to a table of few rows: each takes an id and, to move there, another one. */
type Step = { readonly id: number; readonly to: number; readonly remove: boolean };

type Server = { readonly lineage: string; readonly file: string };

/** Replicas of one another: each has logged all of it, in files of its own. */
const servers: readonly Server[] = [
  { lineage: "u1", file: "binlog.000900" },
  { lineage: "u2", file: "binlog.000002" },
  { lineage: "u3", file: "binlog.000030" },
];

/** The changes that servers log for these steps, and the table after them. */
function logged(steps: readonly Step[], compressed: boolean) {
  const rows = new Map<number, Note>();
  const logs: readonly Packet[][] = servers.map(() => []);
  const add = (op: RowChange["op"], images: { before?: Note; after?: Note }) => {
    for (const [i, server] of servers.entries()) {
      const n = logs[i]?.length ?? 0;
      // Transactions of up to four rows; compressed, they are of less bytes than rows.
      const [transaction, ordinal] = [Math.floor(n / 4), n % 4];
      const size = compressed ? 2 : 200;
      const pos = 157 + transaction * size;
      const start = { ...server, pos, before: undefined, gtid: undefined };
      const packet = notePacket(table, op, images);
      const payload = { ...(packet.payload as RowChange), ts: 1_000 + Math.floor(n / 5) };
      const position = new RowPosition(start, ordinal + 1, pos + size);
      logs[i]?.push({ ...packet, payload, position });
    }
  };
  for (const [n, { id, to, remove }] of steps.entries()) {
    const before = rows.get(id);
    const after: Note = [to, `${n % 3}`];
    if (before === undefined) {
      rows.set(id, [id, `${n % 3}`]);
      add("I", { after: [id, `${n % 3}`] });
    } else if (remove || (to !== id && rows.has(to))) {
      rows.delete(id);
      add("D", { before });
    } else {
      rows.delete(id);
      rows.set(to, after);
      add("U", { before, after });
    }
  }
  return { logs, rows };
}

const steps = fc.array(
  fc.record({
    id: fc.integer({ min: 0, max: 3 }),
    to: fc.integer({ min: 0, max: 3 }),
    remove: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

const configs = fc.constantFrom(
  {},
  { versions: "none" },
  { routing: "${row.note}" },
  { index: "by-${row.note}" },
  { index: "by-${row.note}", id: "n${row.id}", versions: "none" },
  { bulkBytesMax: 1024 },
);

/** Chances in turn, the same for the same list. */
function dice(chances: readonly number[]) {
  let at = 0;
  return (below: number) => (chances[at++ % chances.length] as number) < below;
}

/** A row of the table as a server has logged it, each at another second. */
function loggedAt(server: Server, at: number, op: RowChange["op"], after: Note): Packet {
  const packet = notePacket(table, op, op === "U" ? { before: after, after } : { after });
  const start = { ...server, pos: at, before: undefined, gtid: undefined };
  const payload = { ...(packet.payload as RowChange), ts: at };
  return { ...packet, payload, position: new RowPosition(start, 1, at + 100) };
}

test("a redriven row stays old, but not once its server is back after another one", async () => {
  const [own, other] = servers as [Server, Server];
  const refusals = [unfit];
  const node = createNodeModel({ item: () => refusals.shift() });
  const write = writerOn(node, {});
  const refused = loggedAt(own, 1_000, "I", [1, "refused"]);
  expect(await write([refused])).toEqual([{ failed: expect.any(Error) }]);
  const standIn = [
    loggedAt(other, 2_000, "U", [1, "stand-in"]),
    loggedAt(other, 2_100, "U", [2, "stand-in"]),
  ];
  expect(await write(standIn)).toEqual(["done", "done"]);
  const first = () => JSON.parse(node.documents().get("shop.t/1") ?? "").note;
  expect([await write([refused]), first()]).toEqual([["done"], "stand-in"]);
  // Its first row on what the other has written raises the number of its lineage, for all its rows.
  const back = [loggedAt(own, 3_000, "U", [2, "back"])];
  expect(await write(back)).toEqual([{ retryAfterMs: 0, error: expect.any(Error) }]);
  expect(await write(back)).toEqual(["done"]);
  expect([await write([refused]), first()]).toEqual([["done"], "refused"]);
});

test("a row that waits while its server comes back does not undo what is behind it", async () => {
  const [own, other] = servers as [Server, Server];
  const refusals: (BulkItem | undefined)[] = [];
  const node = createNodeModel({ item: () => refusals.shift() });
  const write = writerOn(node, {});
  await write([loggedAt(own, 1_000, "I", [1, "a"]), loggedAt(own, 1_100, "I", [2, "a"])]);
  await write([loggedAt(other, 2_000, "U", [2, "stand-in"])]);
  // The first has to wait, the second is there, and by the third the lineage gets a higher number.
  refusals.push(busy);
  let left: readonly Packet[] = [
    loggedAt(own, 3_000, "U", [1, "older"]),
    loggedAt(own, 3_100, "U", [1, "newer"]),
    loggedAt(own, 3_200, "U", [2, "back"]),
  ];
  while (left.length > 0) {
    const verdicts = await write(left);
    left = left.filter((_, i) => verdicts[i] !== "done");
  }
  const notes = ["shop.t/1", "shop.t/2"].map(
    (id) => JSON.parse(node.documents().get(id) ?? "").note,
  );
  expect(notes).toEqual(["newer", "back"]);
});

test("the index is the table in the end, whatever is refused, lost, or read again", async () => {
  const chances = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 50 });
  await fc.assert(
    fc.asyncProperty(steps, configs, fc.boolean(), chances, async (all, config, zip, random) => {
      const { logs, rows } = logged(all, zip);
      let packets = logs[0] ?? [];
      const roll = dice(random);
      let faults = 60;
      const fails = (below: number) => faults > 0 && roll(below) && faults-- > 0;
      const node = createNodeModel({
        item: () => (fails(0.2) ? busy : fails(0.1) ? unfit : undefined),
        swallow: () => fails(0.1),
      });
      let write = writerOn(node, config);
      let settled = 0;
      let waiting: Packet[] = [];
      let next = 0;
      while (waiting.length > 0 || next < packets.length) {
        if (waiting.length === 0) {
          const end = next + (roll(0.5) ? 2 : 7);
          waiting = packets.slice(next, end);
          next = end;
        }
        const verdicts = await write(waiting);
        // With onFailed: block, what is refused is tried again as well.
        waiting = waiting.filter((_, i) => verdicts[i] !== "done");
        if (waiting.length === 0) settled = Math.min(next, packets.length);
        if (!fails(0.05)) continue;
        // dbus is killed, and goes on from somewhere before what was settled, or on another server.
        write = writerOn(node, config);
        if (roll(0.5)) packets = logs[roll(0.5) ? 0 : roll(0.5) ? 1 : 2] ?? [];
        next = roll(0.5) ? settled : Math.floor(settled / 2);
        waiting = [];
      }
      const documents = [...node.documents().values()].map((source) => JSON.parse(source));
      const sorted = (list: readonly { id: number; note: unknown }[]) =>
        [...list].sort((a, b) => a.id - b.id);
      const expected = [...rows.values()].map(([id, note]) => ({ id, note }));
      expect(sorted(documents)).toEqual(sorted(expected));
    }),
    { numRuns: 300 },
  );
}, 60_000);

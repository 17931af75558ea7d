import { expect, test } from "bun:test";
import { createLineages } from "#plugins/output/es/lineages.ts";
import type { EsDocument } from "#src/clients/elasticsearch/port.ts";
import { codeOf } from "../../../support/code-of.ts";

/** The documents of an index, with the condition of Elasticsearch on their writes. */
function store() {
  const documents = new Map<string, EsDocument>();
  return {
    documents,
    createIndex: async () => {},
    document: async (_: string, id: string) => documents.get(id) ?? null,
    replace: async (_: string, id: string, source: object, was: EsDocument | null) => {
      if ((documents.get(id)?.seqNo ?? -1) !== (was?.seqNo ?? -1)) return false;
      const stored = JSON.parse(JSON.stringify(source));
      documents.set(id, { source: stored, seqNo: (was?.seqNo ?? -1) + 1, primaryTerm: 1 });
      return true;
    },
  };
}

const news: string[] = [];
const book = (of = store()) => createLineages(of, "kept", (...what) => news.push(what.join(" ")));

test("each new lineage of an index has a higher number, also after a restart", async () => {
  const kept = store();
  const first = book(kept);
  expect(first.number("orders", "u1/b")).toBeUndefined();
  await first.learn("orders", "u1/b", 100);
  await first.learn("orders", "u2/b", 200);
  await first.learn("other", "u2/b", 200);
  expect([first.number("orders", "u1/b"), first.number("orders", "u2/b")]).toEqual([1, 2]);
  expect(first.number("other", "u2/b")).toBe(1);
  const second = book(kept);
  await second.learn("orders", "u1/b", 300);
  expect([second.number("orders", "u1/b"), second.number("orders", "u2/b")]).toEqual([1, 2]);
  expect(news).toContain("orders u2/b 2 false");
});

test("two processes that meet new servers at once give them different numbers", async () => {
  const kept = store();
  const books = Array.from({ length: 5 }, () => book(kept));
  await Promise.all(books.map((one, i) => one.learn("orders", `u${i}/b`, i)));
  for (const [i, one] of books.entries()) await one.learn("orders", `u${i}/b`, i);
  const last = book(kept);
  await last.learn("orders", "u0/b", 0);
  const numbers = books.map((_, i) => last.number("orders", `u${i}/b`));
  expect(new Set(numbers).size).toBe(5);
});

test("a server that is back gets a number above the one that stood in for it", async () => {
  const kept = store();
  const one = book(kept);
  await one.learn("orders", "u1/b", 100);
  await one.learn("orders", "u2/b", 200);
  expect(await one.surpass("orders", "u1/b", 2, 300)).toBe(true);
  expect(one.number("orders", "u1/b")).toBe(3);
  expect(news).toContain("orders u1/b 3 true");
  // Who has raised it already need not again.
  expect(await one.surpass("orders", "u1/b", 2, 300)).toBe(true);
  expect(one.number("orders", "u1/b")).toBe(3);
});

test("a number that another process has raised is taken over, and none is spent on it", async () => {
  const kept = store();
  const [one, other] = [book(kept), book(kept)];
  for (const each of [one, other]) await each.learn("orders", "u1/b", 100);
  await other.learn("orders", "u2/b", 200);
  expect(await other.surpass("orders", "u1/b", 2, 300)).toBe(true);
  // Its document has number 3, which is ours: which row is the newer one their places tell.
  for (const at of [250, 300, 400]) {
    expect(await one.surpass("orders", "u1/b", 3, at)).toBe(true);
    expect(one.number("orders", "u1/b")).toBe(3);
  }
});

test("a row of a server that is gone stays below what came after it", async () => {
  const kept = store();
  const zombie = book(kept);
  await zombie.learn("orders", "u1/b", 100);
  await book(kept).learn("orders", "u2/b", 200);
  expect(await zombie.surpass("orders", "u1/b", 2, 199)).toBe(false);
  expect(zombie.number("orders", "u1/b")).toBe(1);
});

test("versions that nobody has written down are surpassed too, as long as there is room", async () => {
  const one = book();
  await one.learn("orders", "u1/b", 100);
  expect(await one.surpass("orders", "u1/b", 9, 100)).toBe(true);
  expect(one.number("orders", "u1/b")).toBe(10);
  expect(await codeOf(one.surpass("orders", "u1/b", 127, 100))).toBe("ES_LINEAGES_EXHAUSTED");
});

test("the 128th lineage of an index is refused", async () => {
  const one = book();
  for (let n = 1; n <= 127; n++) await one.learn("orders", `u${n}`, n);
  expect(one.number("orders", "u127")).toBe(127);
  expect(await codeOf(one.learn("orders", "u128", 128))).toBe("ES_LINEAGES_EXHAUSTED");
});

test("what somebody else has written there is not taken for lineages", async () => {
  const kept = store();
  kept.documents.set("orders", { source: { lineages: ["x"] }, seqNo: 0, primaryTerm: 1 });
  expect(await codeOf(book(kept).learn("orders", "u1", 1))).toBe("ES_REQUEST_REFUSED");
});

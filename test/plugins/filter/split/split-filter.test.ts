import { describe, expect, test } from "bun:test";
import { splitFilter } from "#plugins/filter/split/split-filter.ts";
import type { Packet } from "#src/flow/packet.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { fakeFilterContext } from "../../../support/fake-context.ts";
import { documentOf, recordOf, textOf } from "../../../support/field-packets.ts";
import { runFilter, shown } from "../../../support/run-filter.ts";

const list = '{"id":7,"items":[{"sku":"a","n":1.10},{"sku":"b","n":2}]}';

describe("contract", () =>
  filterPluginContract(splitFilter, { config: { field: "items" }, packets: [documentOf(list)] }));

test("each element becomes a packet, alone or in the whole", async () => {
  const packets = [documentOf(list), recordOf(list)];
  const alone = ['{"sku":"a","n":1.10}', '{"sku":"b","n":2}'];
  expect((await runFilter(splitFilter, { field: "items" }, packets)).map(shown)).toEqual([
    alone,
    alone,
  ]);
  const whole = await runFilter(splitFilter, { field: "items", whole: true }, packets.slice(0, 1));
  expect(whole.map(shown)).toEqual([
    ['{"id":7,"items":{"sku":"a","n":1.10}}', '{"id":7,"items":{"sku":"b","n":2}}'],
  ]);
});

test("a text becomes its parts", async () => {
  const became = await runFilter(splitFilter, { separator: ";" }, [textOf("a;b;;c"), textOf("")]);
  expect(became.map(shown)).toEqual([["a", "b", "c"], []]);
});

test("what has no such list fails with a code", async () => {
  const odd = [documentOf('{"items":1}'), documentOf("{}"), textOf("x"), recordOf(null)];
  const became = await runFilter(splitFilter, { field: "items" }, odd);
  expect(became).toEqual(["FILTER_FAILED", "FIELD_MISSING", "FILTER_FAILED", "FILTER_FAILED"]);
});

test("a record that is no UTF-8 fails, and is not written on with other characters", async () => {
  const record = recordOf('{"items":["x"]}');
  if (record.payload.kind !== "bytes" || !record.payload.value) throw new Error("it has a value");
  const value = Uint8Array.from(record.payload.value);
  value[value.indexOf(0x78)] = 0xff;
  const odd = { ...record, payload: { ...record.payload, value } };
  expect(await runFilter(splitFilter, { field: "items" }, [odd])).toEqual(["FILTER_FAILED"]);
});

test("(fault 95) a million packets out of one are made one by one, as they are asked for", async () => {
  const items = Array.from({ length: 1_000_000 }, (_, i) => i);
  const { context } = fakeFilterContext();
  const state = await splitFilter.open(context, splitFilter.configSchema.parse({ field: "items" }));
  const packet = documentOf(JSON.stringify({ items }));
  const applied = splitFilter.apply(state, packet, context) as Iterator<Packet> & Iterable<Packet>;
  expect(Array.isArray(applied)).toBe(false);
  expect(applied.next().value?.payload).toEqual({ kind: "document", json: "0", part: "0" });
  let count = 1;
  for (const _ of applied) count++;
  expect(count).toBe(1_000_000);
});

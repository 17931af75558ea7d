import { expect, test } from "bun:test";
import { createPackets, literalOf } from "#src/pipeline-test/literal.ts";

test("a column that is not written is absent, whatever objects inherit under its name", () => {
  const columns = { id: "int", constructor: "text", toString: "int" };
  const make = createPackets({ "shop.t": { columns, key: ["id"] } });
  const packet = make({ row: { table: "shop.t", after: { id: 1 } } }, "in", 1);
  expect(literalOf(packet)).toEqual({
    ident: "in",
    row: { op: "I", table: "shop.t", after: { id: 1 } },
  });
});

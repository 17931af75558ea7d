import { describe, expect, test } from "bun:test";
import { DbusError } from "#src/errors.ts";
import { createPackets, literalOf, type PacketLiteral } from "#src/pipeline-test/literal.ts";

test("a column that is not written is absent, whatever objects inherit under its name", () => {
  const columns = { id: "int", constructor: "text", toString: "int" };
  const make = createPackets({ "shop.t": { columns, key: ["id"] } });
  const packet = make({ row: { table: "shop.t", after: { id: 1 } } }, "in", 1);
  expect(literalOf(packet)).toEqual({
    ident: "in",
    row: { op: "I", table: "shop.t", after: { id: 1 } },
  });
});

describe("a packet that no source could send is refused with what is wrong", () => {
  const columns = { id: "bigint unsigned", n: "int", f: "double", ok: "tinyint(1)" };
  const make = createPackets({
    "shop.t": { columns, key: ["id"] },
    "shop.odd": { columns, key: ["ids"] },
  });
  const said = (row: PacketLiteral["row"]) => {
    try {
      const { payload } = make({ row }, "in", 1);
      return payload.kind === "row" ? payload.after : undefined;
    } catch (error) {
      return error instanceof DbusError ? `${error.code}: ${error.message}` : `${error}`;
    }
  };
  const after = (fields: Readonly<Record<string, unknown>>) =>
    said({ table: "shop.t", after: fields });

  test("by its column and type", () => {
    const big = "18446744073709551615";
    expect(after({ id: big, n: 3, f: "1.5", ok: true })).toEqual([BigInt(big), 3, 1.5, 1]);
    expect(after({ id: "abc" })).toBe('USAGE: "abc" is no value of the column id bigint unsigned');
    // YAML has lost its last digits already.
    expect(after({ id: Number(big) })).toContain("is no value of the column id");
    expect(after({ n: "abc" })).toBe('USAGE: "abc" is no value of the column n int');
    expect(after({ nosuch: 1 })).toBe("USAGE: shop.t has no column nosuch");
  });

  test("by its images and its key", () => {
    expect(said({ table: "shop.t", op: "D", after: { id: 1 } })).toContain(
      "with op D has no before",
    );
    expect(said({ table: "shop.t" })).toContain("with op I has no after");
    expect(said({ table: "shop.odd", after: { id: 1 } })).toContain(
      "names ids, which is no column",
    );
  });
});

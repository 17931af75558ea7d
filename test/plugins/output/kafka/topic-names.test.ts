import { describe, expect, test } from "bun:test";
import { checkTemplate, createTopicNames } from "#plugins/output/kafka/topic-names.ts";
import type { DbusError } from "#src/errors.ts";
import type { Packet, Payload } from "#src/flow/packet.ts";

const packet = (payload: Payload, ident = "in"): Packet => ({
  ident,
  payload,
  position: 0,
  bytes: 1,
});

function row(db: string, name: string, ident = "in"): Packet {
  const table = { db, name, columns: [], primaryKey: [] };
  const txn = { gtid: undefined, serverId: 1 };
  const change = { kind: "row", op: "I", table, txn, before: undefined, after: [] } as const;
  return packet({ ...change, ordinal: 0, log: "b", pos: 4, ts: 0 }, ident);
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return "none";
  } catch (error) {
    return (error as DbusError).code;
  }
}

describe("topic names", () => {
  test("are made of db, table and ident", () => {
    expect(createTopicNames("cdc.${db}.${tbl}")(row("shop", "orders"))).toBe("cdc.shop.orders");
    expect(createTopicNames("${ident}-${tbl}")(row("shop", "orders", "eu"))).toBe("eu-orders");
    expect(createTopicNames("all")(row("shop", "orders"))).toBe("all");
  });

  test("what is no row goes to its ident when the template asks for a table", () => {
    const text = packet({ kind: "text", text: "" }, "mail");
    expect(createTopicNames("cdc.${db}.${tbl}")(text)).toBe("mail");
    expect(createTopicNames("lines.${ident}")(text)).toBe("lines.mail");
  });

  test("characters that Kafka does not allow become _", () => {
    expect(createTopicNames("${db}.${tbl}")(row("../../admin", "a`; DROP TABLE x; -- "))).toBe(
      ".._.._admin.a___DROP_TABLE_x__--_",
    );
    expect(createTopicNames("${tbl}")(row("d", "naïve😀"))).toBe("na_ve__");
  });

  test("two sources under one name are refused, the first keeps it (S10)", () => {
    const names = createTopicNames("cdc.${db}.${tbl}");
    expect(names(row("a.b", "c"))).toBe("cdc.a.b.c");
    expect(codeOf(() => names(row("a", "b.c")))).toBe("KAFKA_TOPIC_COLLISION");
    expect(names(row("a.b", "c"))).toBe("cdc.a.b.c");
    expect(names(row("x-y", "c"))).toBe("cdc.x-y.c");
    expect(names(row("x y", "c"))).toBe("cdc.x_y.c");
    expect(codeOf(() => names(row("x/y", "c")))).toBe("KAFKA_TOPIC_COLLISION");
  });

  test("what a template leaves out on purpose is no collision", () => {
    const names = createTopicNames("cdc.${db}");
    expect([names(row("shop", "a")), names(row("shop", "b"))]).toEqual(["cdc.shop", "cdc.shop"]);
  });

  test("names that Kafka cannot have are refused", () => {
    expect(codeOf(() => createTopicNames("${tbl}")(row("d", "..")))).toBe("KAFKA_TOPIC_INVALID");
    expect(codeOf(() => createTopicNames("${tbl}")(row("d", "x".repeat(250))))).toBe(
      "KAFKA_TOPIC_INVALID",
    );
  });

  test("a template with another variable or character is refused with what is known", () => {
    expect(checkTemplate("cdc.${table}")).toContain("${tbl}");
    expect(checkTemplate("cdc/${db}")).toContain("letters");
    expect(checkTemplate("")).toBeDefined();
    expect(checkTemplate("cdc.${db}.${tbl}_v1-x")).toBeUndefined();
  });
});

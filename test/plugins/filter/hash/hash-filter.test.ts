import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { hashFilter } from "#plugins/filter/hash/hash-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { changeOf, documentOf, tableOf } from "../../../support/field-packets.ts";
import { runFilter, shown } from "../../../support/run-filter.ts";

const key = "0123456789abcdef";
const of = (value: string) => createHmac("sha256", key).update(value).digest("hex");
const table = tableOf("crm.people", "id int!", "mail text", "raw blob");
const row = changeOf(table, { before: [5, "a@b", null], after: [5, null, Uint8Array.of(1)] });
const document = documentOf('{"person":{"id":5},"big":12345678901234567890}');

describe("contract", () =>
  filterPluginContract(hashFilter, { config: { fields: ["id"], key }, packets: [row] }));

test("equal values have equal hashes, in tables and documents, and NULL stays NULL", async () => {
  const [rows = []] = await runFilter(hashFilter, { fields: ["id", "mail"], key }, [row]);
  if (typeof rows === "string") throw new Error(rows);
  expect(rows[0]?.payload).toMatchObject({
    before: [of("5"), of("a@b"), null],
    after: [of("5"), null, Uint8Array.of(1)],
    table: { primaryKey: [0] },
  });
  const config = { fields: ["person.id", "big"], key };
  expect((await runFilter(hashFilter, config, [document])).map(shown)).toEqual([
    [`{"person":{"id":"${of("5")}"},"big":"${of("12345678901234567890")}"}`],
  ]);
});

test("another key gives other hashes, and base64url is shorter", async () => {
  const config = { fields: ["mail"], key: key.toUpperCase(), encoding: "base64url" };
  const [[one] = []] = await runFilter(hashFilter, config, [row]);
  const mail = (one as typeof row).payload.before?.[1];
  expect(mail).toMatch(/^[\w-]{43}$/);
  expect(mail).not.toBe(Buffer.from(of("a@b"), "hex").toString("base64url"));
});

test("a short key is refused, and a field that is not there fails the packet", async () => {
  expect(hashFilter.configSchema.safeParse({ fields: ["a"], key: "short" }).success).toBe(false);
  expect(await runFilter(hashFilter, { fields: ["x"], key }, [row])).toEqual(["FIELD_MISSING"]);
});

import { expect, test } from "bun:test";
import fc from "fast-check";
import { esOutputSchema } from "#plugins/output/es/es-config.ts";
import { createOperations } from "#plugins/output/es/operations.ts";
import { createBulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import { systemClock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import { anyPacket, fieldNames } from "../../../support/any-packets.ts";

const field = fc.constantFrom(...fieldNames).map((name) => `\${row.${name}}`);
const maybe = (one: fc.Arbitrary<string>) => fc.option(one, { nil: undefined });
const configs = fc.record({
  index: fc.oneof(
    fc.constant("${db}.${tbl}"),
    field.map((of) => `by-${of}`),
  ),
  id: maybe(field),
  routing: maybe(field),
  pipeline: maybe(field),
  dates: fc.constantFrom("iso", "sql"),
  json: fc.constantFrom("value", "text"),
});

/** The lines of a body, or the code that a packet is refused with. */
function linesOf(config: object, packet: Packet): readonly string[] | string {
  const parsed = esOutputSchema.safeParse({ nodes: ["http://h:1"], ...config });
  fc.pre(parsed.success);
  const body = createBulkBody();
  try {
    for (const operation of createOperations(parsed.data, systemClock)(packet)) {
      body.action(operation, { upper: 0, lower: 5 }, operation.place?.shared ?? false);
      operation.document?.(body);
    }
  } catch (error) {
    return error instanceof DbusError ? error.code : `${error}`;
  }
  return Buffer.from(body.bytes(0, body.length)).toString().trimEnd().split("\n");
}

test("whatever comes is an action a line and its document in the next, or refused with a code", () => {
  fc.assert(
    fc.property(configs, anyPacket, (config, packet) => {
      const lines = linesOf(config, packet);
      if (typeof lines === "string") {
        expect(lines).toMatch(/^(FORMAT_|ES_)[A-Z_]+$/);
        return;
      }
      for (let at = 0; at < lines.length; ) {
        const [[verb, named]] = Object.entries(JSON.parse(lines[at++] ?? "")) as [[string, Named]];
        expect(["index", "create", "delete"]).toContain(verb);
        expect([named._index !== "", named._id !== ""]).toEqual([true, true]);
        if (verb === "delete") continue;
        const document = lines[at++] ?? "";
        // Of a record the node itself tells whether it is JSON.
        if (packet.payload.kind === "bytes") continue;
        const fields = JSON.parse(document);
        if (packet.payload.kind !== "row") continue;
        const names = packet.payload.table.columns.map(({ name }) => name);
        expect(Object.keys(fields).sort()).toEqual(names.sort());
      }
    }),
    { numRuns: 500 },
  );
}, 30_000);

type Named = { readonly _index: string; readonly _id: string };

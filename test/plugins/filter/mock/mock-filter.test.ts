import { describe, expect, test } from "bun:test";
import { mockFilter } from "#plugins/filter/mock/mock-filter.ts";
import type { Packet } from "#src/flow/packet.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { fakeFilterContext } from "../../../support/fake-context.ts";
import { packetOf } from "../../../support/packets.ts";
import { samplePackets } from "../../../support/sample-packets.ts";

for (const config of [{}, { mode: "drop" }, { mode: "fork", copies: 3, idents: ["x", "y"] }]) {
  describe(`contract with ${JSON.stringify(config)}`, () =>
    filterPluginContract(mockFilter, { config, packets: samplePackets }));
}

/** What becomes of `count` packets: the idents it emits for each, or the code it fails with. */
async function outcomes(config: object, count = 1) {
  const { context } = fakeFilterContext({ ident: "own" });
  const state = await mockFilter.open(context, mockFilter.configSchema.parse(config));
  return Array.from({ length: count }, (_, n) => {
    try {
      const applied = mockFilter.apply(state, packetOf("in", n), context);
      if (applied === null) return [];
      return "payload" in applied
        ? [applied.ident]
        : [...(applied as Iterable<Packet>)].map(({ ident }) => ident);
    } catch (error) {
      return (error as { code: string }).code;
    }
  });
}

test("pass sends on under its own ident or the one it is given, drop sends nothing", async () => {
  expect(await outcomes({})).toEqual([["own"]]);
  expect(await outcomes({ idents: ["x"] })).toEqual([["x"]]);
  expect(await outcomes({ mode: "drop" })).toEqual([[]]);
});

test("a fork goes to the idents in turn", async () => {
  const found = await outcomes({ mode: "fork", copies: 5, idents: ["x", "y"] });
  expect(found).toEqual([["x", "y", "x", "y", "x"]]);
});

test("it fails and drops by rate, by its seed alone", async () => {
  const config = { failRate: 0.2, dropRate: 0.5, seed: 9 };
  const one = await outcomes(config, 2000);
  expect(await outcomes(config, 2000)).toEqual(one);
  expect(await outcomes({ ...config, seed: 10 }, 2000)).not.toEqual(one);
  const failed = one.filter((outcome) => outcome === "FILTER_FAILED").length;
  const dropped = one.filter((outcome) => outcome.length === 0).length;
  expect(failed).toBeWithin(300, 500);
  expect(dropped).toBeWithin(680, 920);
});

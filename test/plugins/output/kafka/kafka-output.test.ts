import { describe, expect, test } from "bun:test";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { outputPluginContract } from "../../../contract/output-plugin.ts";
import { fakeOutputContext } from "../../../support/fake-context.ts";
import { samplePackets } from "../../../support/sample-packets.ts";

const dry = { brokers: ["127.0.0.1:1"], mode: "dryrun" };
const configs = [
  dry,
  { ...dry, format: "debezium", keyless: "row", bigint: "string" },
  { ...dry, topic: "all", headers: false, compression: "zstd", timestamps: "source" },
];
for (const config of configs) {
  describe(`contract with ${JSON.stringify(config)}`, () =>
    outputPluginContract(kafkaOutput, { config: () => config, packets: samplePackets }));
}

test("every kind of packet that an input may make can be written", async () => {
  const { context } = fakeOutputContext();
  for (const config of configs) {
    const state = await kafkaOutput.open(context, kafkaOutput.configSchema.parse(config));
    expect(await kafkaOutput.write(state, samplePackets, context)).toBeUndefined();
    await kafkaOutput.close?.(state);
  }
});

test("its defaults are those that the seed's users know", () => {
  expect(kafkaOutput.defaults).toEqual({
    batch: { countMax: 1024, lingerMs: 500 },
    retry: { times: 3, delayMs: 350 },
  });
});

import { describe, expect, test } from "bun:test";
import { mockOutput } from "#plugins/output/mock/mock-output.ts";
import type { Packet } from "#src/flow/packet.ts";
import { outputPluginContract } from "../../../contract/output-plugin.ts";
import { fakeOutputContext } from "../../../support/fake-context.ts";
import { createManualClock } from "../../../support/manual-clock.ts";
import { packetOf } from "../../../support/packets.ts";
import { samplePackets } from "../../../support/sample-packets.ts";

const configs = [{}, { failRate: 0.5 }, { failRate: 0.5, failAs: "reject" }, { msPerBatch: 1 }];
for (const config of configs) {
  describe(`contract with ${JSON.stringify(config)}`, () =>
    outputPluginContract(mockOutput, { config: () => config, packets: samplePackets }));
}

const packets = Array.from({ length: 1000 }, (_, n) => packetOf("a", n));
async function written(config: object, batch: readonly Packet[] = packets) {
  const { context } = fakeOutputContext();
  const state = await mockOutput.open(context, mockOutput.configSchema.parse(config));
  return mockOutput.write(state, batch, context);
}

test("a black hole looks at no packet", async () => {
  const untouchable = new Proxy({} as Packet, {
    get() {
      throw new Error("looked at");
    },
  });
  expect(await written({}, [untouchable, untouchable])).toBeUndefined();
});

test("what it refuses for good is a share, the rest is done", async () => {
  const verdicts = await written({ failRate: 0.3, failAs: "reject" });
  const refused = verdicts?.filter((verdict) => verdict !== "done") ?? [];
  expect(refused.length).toBeWithin(240, 360);
  expect(refused[0]).toMatchObject({ failed: { code: "OUTPUT_REJECTED" } });
  expect(await written({ failRate: 0.3, failAs: "reject" })).toEqual(verdicts!);
});

test("behind a packet that is to be tried again all others wait too", async () => {
  const verdicts = (await written({ failRate: 0.01, retryAfterMs: 5, seed: 3 })) ?? [];
  const first = verdicts.findIndex((verdict) => verdict !== "done");
  expect(first).toBeGreaterThan(-1);
  expect(verdicts.slice(first).every((verdict) => verdict !== "done")).toBe(true);
  expect(verdicts[first]).toMatchObject({ retryAfterMs: 5 });
});

test("a slow one takes its time, unless it is stopped", async () => {
  const clock = createManualClock();
  const { context, abort } = fakeOutputContext({ clock });
  const state = await mockOutput.open(context, mockOutput.configSchema.parse({ msPerBatch: 50 }));
  let done = 0;
  const write = async () => {
    await mockOutput.write(state, packets, context);
    done++;
  };
  const first = write();
  clock.advance(49);
  await Promise.resolve();
  expect(done).toBe(0);
  clock.advance(1);
  await first;
  const second = write();
  abort();
  await second;
  expect(done).toBe(2);
});

test("print writes one JSON line for each packet, without losing a digit", async () => {
  const script = `
    import { mockOutput } from "#plugins/output/mock/mock-output.ts";
    import { fakeOutputContext } from "./test/support/fake-context.ts";
    import { samplePackets } from "./test/support/sample-packets.ts";
    const { context } = fakeOutputContext();
    const state = mockOutput.open(context, mockOutput.configSchema.parse({ mode: "print" }));
    await mockOutput.write(state, samplePackets, context);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const lines = (await new Response(child.stdout).text()).trimEnd().split("\n");
  expect(lines).toHaveLength(samplePackets.length);
  expect(lines[0]).toContain("18446744073709551615");
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty("payload");
});

import { expect, test } from "bun:test";
import { encodePacket } from "#src/deadletter/packet-codec.ts";
import { DbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { OutputPlugin, Verdict } from "#src/plugin/define.ts";
import { fakeOutputContext } from "../support/fake-context.ts";
import { deepFreeze } from "./filter-plugin.ts";
import { pluginSchemaContract } from "./plugin-schema.ts";

export type OutputContractOptions = {
  /** A config as the schema takes it; called for each test, so it may name new files. */
  readonly config: () => object;
  readonly packets: readonly Packet[];
};

/** What the bus counts on of every output. */
export function outputPluginContract(plugin: OutputPlugin, options: OutputContractOptions): void {
  const { packets } = options;
  const opened = async () => {
    const output = fakeOutputContext();
    const state = await plugin.open(output.context, plugin.configSchema.parse(options.config()));
    return { ...output, state };
  };

  test("there is a verdict for each packet, or none because all is well", async () => {
    const { context, state } = await opened();
    for (const batch of [packets, packets.slice(0, 1), [...packets, ...packets]]) {
      const verdicts = await plugin.write(state, batch, context);
      if (verdicts === undefined) continue;
      expect(verdicts).toHaveLength(batch.length);
      for (const verdict of verdicts) checkVerdict(verdict);
    }
    await plugin.close?.(state);
  });

  test("it changes no packet that it is given", async () => {
    const { context, state } = await opened();
    const before = packets.map(encodePacket);
    await plugin.write(state, deepFreeze([...packets]), context);
    expect(packets.map(encodePacket)).toEqual(before);
    await plugin.close?.(state);
  });

  test("it can be opened and closed twice, without a write too", async () => {
    for (let n = 0; n < 2; n++) {
      const { state } = await opened();
      await plugin.close?.(state);
      await plugin.close?.(state);
    }
  });

  test("a stop ends it soon", async () => {
    const { context, state, abort } = await opened();
    await plugin.write(state, packets, context);
    abort();
    const before = performance.now();
    await plugin.close?.(state);
    expect(performance.now() - before).toBeLessThan(2000);
  });

  pluginSchemaContract(plugin, options.config());
}

function checkVerdict(verdict: Verdict): void {
  if (verdict === "done") return;
  const error = "failed" in verdict ? verdict.failed : verdict.error;
  expect(error).toBeInstanceOf(DbusError);
  if ("retryAfterMs" in verdict) expect(verdict.retryAfterMs).toBeGreaterThanOrEqual(0);
}

import { expect, test } from "bun:test";
import { encodePacket } from "#src/deadletter/packet-codec.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { FilterPlugin } from "#src/plugin/define.ts";
import { fakeFilterContext } from "../support/fake-context.ts";
import { pluginSchemaContract } from "./plugin-schema.ts";

export type FilterContractOptions = {
  readonly config: object;
  /** Packets that it is made for; at least one. */
  readonly packets: readonly Packet[];
};

/** What the bus counts on of every filter. */
export function filterPluginContract(plugin: FilterPlugin, options: FilterContractOptions): void {
  const { packets } = options;

  test("it answers null, a packet or packets, under idents that it has named", async () => {
    const config = plugin.configSchema.parse(options.config);
    const { context } = fakeFilterContext();
    const state = await plugin.open(context, config);
    const idents = plugin.idents?.(config, context.ident) ?? [context.ident];
    for (const packet of packets) {
      const applied = await plugin.apply(state, packet, context);
      const results = applied === null ? [] : "payload" in applied ? [applied] : [...applied];
      for (const result of results) {
        expect(result.bytes).toBeGreaterThanOrEqual(1);
        expect(result.position).toBe(packet.position);
        expect(idents.some((pattern) => pattern.includes("*") || pattern === result.ident)).toBe(
          true,
        );
      }
    }
    await plugin.close?.(state);
  });

  test("it changes no packet that it is given", async () => {
    const { context } = fakeFilterContext();
    const state = await plugin.open(context, plugin.configSchema.parse(options.config));
    for (const packet of packets) {
      const before = encodePacket(packet);
      const applied = await plugin.apply(state, deepFreeze(packet), context);
      if (applied !== null && !("payload" in applied)) [...applied];
      expect(encodePacket(packet)).toBe(before);
    }
    await plugin.close?.(state);
  });

  test("it can be opened and closed twice", async () => {
    const { context } = fakeFilterContext();
    for (let n = 0; n < 2; n++) {
      const state = await plugin.open(context, plugin.configSchema.parse(options.config));
      await plugin.close?.(state);
      await plugin.close?.(state);
    }
  });

  pluginSchemaContract(plugin, options.config);
}

/** Freezes what can be frozen: a view of bytes cannot. */
export function deepFreeze<T>(value: T): T {
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}

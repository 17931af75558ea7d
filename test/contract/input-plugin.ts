import { expect, test } from "bun:test";
import type { Packet } from "#src/flow/packet.ts";
import type { InputPlugin } from "#src/plugin/define.ts";
import {
  type FakeInput,
  type FakeInputOptions,
  fakeInputContext,
} from "../support/fake-context.ts";
import { waitFor } from "../support/wait-for.ts";
import { pluginSchemaContract } from "./plugin-schema.ts";

export type InputContractOptions = {
  /** A config as the schema takes it; called for each test, so it may make files or ports. */
  readonly config: () => object | Promise<object>;
  /** Brings packets to an input that does not make them itself; called when it runs. */
  readonly feed?: (bus: FakeInput) => void | Promise<void>;
  readonly context?: FakeInputOptions;
  /** Whether a run may end by itself before it is told to. */
  readonly ends?: boolean;
};

/** What the bus counts on of every input. */
export function inputPluginContract(plugin: InputPlugin, options: InputContractOptions): void {
  const parse = async () => plugin.configSchema.parse(await options.config());

  test("it can be opened and closed, twice in a row and without a run", async () => {
    const config = await parse();
    for (let n = 0; n < 2; n++) {
      const bus = fakeInputContext(options.context);
      const state = await plugin.open(bus.context, config);
      await plugin.close?.(state);
      await plugin.close?.(state);
    }
  });

  test("it emits packets as they are defined, under idents that it has named", async () => {
    const config = await parse();
    const bus = fakeInputContext({ credit: 100, ...options.context });
    const { stop } = await start(plugin, config, bus);
    await options.feed?.(bus);
    await waitFor(() => bus.packets.length > 0, { what: "a packet" });
    await stop();
    const idents = plugin.idents?.(config, bus.context.ident) ?? [bus.context.ident];
    for (const packet of bus.packets) checkPacket(packet, idents);
    expect(bus.overruns).toBe(0);
    for (const packet of bus.packets) {
      const position = JSON.parse(JSON.stringify(packet.position));
      expect(plugin.positionSchema?.safeParse(position).error).toBeUndefined();
    }
  });

  test("without credit it waits, and a stop ends it soon all the same", async () => {
    const config = await parse();
    const bus = fakeInputContext({ credit: 1, ...options.context });
    const { stop } = await start(plugin, config, bus);
    await options.feed?.(bus);
    await waitFor(() => bus.packets.length > 0, { what: "the first packet" });
    const before = performance.now();
    await stop();
    expect(performance.now() - before).toBeLessThan(2000);
    expect(bus.overruns).toBe(0);
  });

  test("a stop before anything has come ends it soon", async () => {
    const config = await parse();
    const bus = fakeInputContext({ credit: 1, ...options.context });
    const { stop } = await start(plugin, config, bus);
    const before = performance.now();
    await stop();
    expect(performance.now() - before).toBeLessThan(2000);
  });

  pluginSchemaContractOf(plugin, options);
}

function pluginSchemaContractOf(plugin: InputPlugin, options: InputContractOptions): void {
  const found = options.config();
  if (!(found instanceof Promise)) pluginSchemaContract(plugin, found);
}

function checkPacket(packet: Packet, idents: readonly string[]): void {
  expect(packet.bytes).toBeGreaterThanOrEqual(1);
  expect(Number.isInteger(packet.bytes)).toBe(true);
  expect(["row", "bytes", "text", "document"]).toContain(packet.payload.kind);
  const named = idents.some((pattern) => matches(pattern, packet.ident));
  expect([packet.ident, named]).toEqual([packet.ident, true]);
}

function matches(pattern: string, ident: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(ident);
}

/** Runs an input in the background; `stop` aborts it, waits for its end and closes it. */
export async function start(
  plugin: InputPlugin,
  config: unknown,
  bus: FakeInput,
): Promise<{ stop(): Promise<void>; readonly ended: Promise<unknown> }> {
  const state = await plugin.open(bus.context, config);
  // An abort may end a run in two ways: it resolves, or what it waited for rejects.
  const ended = plugin.run(state, bus.context).then(
    () => undefined,
    (error: unknown) => error,
  );
  return {
    ended,
    async stop() {
      bus.abort();
      await ended;
      await plugin.close?.(state);
    },
  };
}

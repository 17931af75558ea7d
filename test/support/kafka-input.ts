import { z } from "zod";
import { kafkaInput } from "#plugins/input/kafka/kafka-input.ts";
import { kafkaInputSchema } from "#plugins/input/kafka/kafka-input-config.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Log } from "#src/log.ts";
import { defineOutput, type OutputPlugin } from "#src/plugin/define.ts";
import { memoryState } from "#src/state/memory-state.ts";
import type { State } from "#src/state/state.ts";
import { inputEntry, outputEntry, startTestBus, type TestBus } from "./test-bus.ts";

/** A sink whose writes a test can hold back. */
export type Sink = {
  readonly packets: Packet[];
  readonly plugin: OutputPlugin;
  /** From now on nothing is written: every packet is to be tried again. */
  block(): void;
  unblock(): void;
};

export function sink(): Sink {
  const packets: Packet[] = [];
  let blocked = false;
  const plugin = defineOutput({
    name: "SinkOutput",
    summary: "Keeps what it is given.",
    configSchema: z.strictObject({}),
    open: () => ({}),
    write(_, batch) {
      const wait = { retryAfterMs: 20, error: new Error("blocked") };
      if (blocked) return batch.map(() => wait);
      packets.push(...batch);
      return undefined;
    },
  });
  return {
    packets,
    plugin,
    block: () => {
      blocked = true;
    },
    unblock: () => {
      blocked = false;
    },
  };
}

export type KafkaBus = TestBus & { readonly sink: Sink };

/** A KafkaInput on a real bus whose sink is the test's; `state` outlives it. */
export async function startKafkaInput(options: {
  readonly config: object;
  readonly state?: State;
  readonly sink?: Sink;
  readonly log?: Log;
  readonly window?: { readonly packets: number; readonly bytes: number };
}): Promise<KafkaBus> {
  const { state = memoryState(), window, log } = options;
  const config = kafkaInputSchema.parse(options.config);
  const own = options.sink ?? sink();
  const bus = await startTestBus({
    inputs: [inputEntry("in", kafkaInput, { config, idents: ["*"] })],
    outputs: [outputEntry("out", own.plugin, ["*"])],
    state,
    bus: { stopDeadlineMs: 3_000, ...(window ? { window } : {}) },
    ...(log ? { log } : {}),
  });
  return { ...bus, sink: own };
}

export const textOf = ({ payload }: Packet): string =>
  payload.kind === "bytes"
    ? Buffer.from(payload.value ?? []).toString()
    : payload.kind === "text"
      ? payload.text
      : payload.kind === "document"
        ? payload.json
        : "";

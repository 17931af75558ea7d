import { z } from "zod";
import type { Packet } from "#src/flow/packet.ts";
import type { InputContext } from "#src/plugin/context.ts";
import {
  defineInput,
  defineOutput,
  type InputPlugin,
  type OutputPlugin,
  type Verdict,
} from "#src/plugin/define.ts";
import { packetOf, textOf } from "./packets.ts";

const anything = z.unknown();

/** Sends packets numbered from 1, in batches, until `count` or for ever; goes on where it was. */
export function counterInput(options: { count?: number; batch?: number; ident?: string } = {}) {
  const { count = Number.POSITIVE_INFINITY, batch = 10, ident } = options;
  return inputOf(async (context) => {
    let at = Number(context.resume() ?? 0);
    while (at < count && !context.signal.aborted) {
      const packets: Packet[] = [];
      while (packets.length < batch && at < count) {
        packets.push(packetOf(ident ?? context.ident, ++at));
      }
      await context.emitBatch(packets);
    }
  });
}

export function inputOf(run: (context: InputContext) => Promise<void>): InputPlugin {
  return defineInput<unknown, null>({
    name: "ProbeInput",
    summary: "runs what a test gives it",
    configSchema: anything,
    open: () => null,
    run: (_, context) => run(context),
  });
}

export function outputOf(write: (packets: readonly Packet[]) => void): OutputPlugin {
  return defineOutput<unknown, null>({
    name: "ProbeOutput",
    summary: "writes as a test tells it",
    configSchema: anything,
    open: () => null,
    write(_, packets) {
      write(packets);
      return undefined;
    },
  });
}

export type ProbeOutput = {
  readonly plugin: OutputPlugin;
  /** The texts of what was written, in order. */
  readonly written: string[];
  /** How often it was opened. */
  opened: number;
  /** While closed, a write waits. */
  open(): void;
  close(): void;
  /** What the next writes answer instead of "done"; taken away once used. */
  readonly answers: (Error | ((packet: Packet) => Verdict))[];
};

/** An output that a test can block, make fail and make crash. */
export function probeOutput(): ProbeOutput {
  const written: string[] = [];
  const answers: ProbeOutput["answers"] = [];
  let gate: PromiseWithResolvers<void> | undefined;
  const probe: ProbeOutput = {
    written,
    answers,
    opened: 0,
    open() {
      gate?.resolve();
      gate = undefined;
    },
    close() {
      gate ??= Promise.withResolvers();
    },
    plugin: defineOutput<unknown, null>({
      name: "ProbeOutput",
      summary: "does what a test tells it",
      configSchema: anything,
      open() {
        probe.opened++;
        return null;
      },
      async write(_, packets) {
        await gate?.promise;
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        const verdicts = packets.map((packet) => answer?.(packet) ?? "done");
        packets.forEach((packet, i) => {
          if (verdicts[i] === "done") written.push(textOf(packet));
        });
        return verdicts;
      },
    }),
  };
  return probe;
}

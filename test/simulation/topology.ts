import { z } from "zod";
import type { Wiring } from "#actors/wiring.ts";
import type { FilterEntry, InputEntry, OutputEntry } from "#src/config/config.ts";
import { DbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import { defineFilter, defineInput, defineOutput, type Verdict } from "#src/plugin/define.ts";
import { packetOf } from "../support/packets.ts";
import type { Random } from "../support/random.ts";
import { filterEntry, inputEntry, outputEntry } from "../support/test-bus.ts";

const anything = z.unknown();

/** A random bus: what each input sends, and what every output has written, in order. */
export type Topology = {
  readonly inputs: readonly InputEntry[];
  readonly filters: readonly FilterEntry[];
  readonly outputs: readonly OutputEntry[];
  /** Packets that each input sends, numbered from 1. */
  readonly counts: ReadonlyMap<string, number>;
  /** What each output has written: the idents' way, `input:number` first. */
  readonly written: ReadonlyMap<string, string[]>;
};

/**
 * Inputs, layers of filters, outputs. Every node matches some idents of earlier layers, so the
 * graph is acyclic; filters pass, drop, fork, fail, crash and answer late; outputs write at once
 * or late, ask for retries, refuse and crash. Every text begins with `input:number`.
 */
export function randomTopology(random: Random): Topology {
  const inputCount = random.int(1, 3);
  const layers = random.int(0, 3);
  const counts = new Map<string, number>();
  const written = new Map<string, string[]>();
  const idents: string[] = [];
  const inputs: InputEntry[] = [];
  const filters: FilterEntry[] = [];
  const outputs: OutputEntry[] = [];
  for (let i = 0; i < inputCount; i++) {
    const name = `in${i}`;
    const count = random.int(1, 60);
    counts.set(name, count);
    const own = random.chance(0.3) ? [`${name}.a`, `${name}.b`] : [name];
    inputs.push(inputEntry(name, input(name, count, own, random), { ident: name, idents: own }));
    idents.push(...own);
  }
  for (let layer = 0; layer < layers; layer++) {
    const made: string[] = [];
    for (let i = 0; i < random.int(1, 2); i++) {
      const name = `f${layer}${i}`;
      const match = someOf(idents, random);
      filters.push(filterEntry(name, filter(random), match));
      made.push(name);
    }
    idents.push(...made);
  }
  const unheard = new Set(idents);
  for (let i = 0; i < random.int(1, 3); i++) {
    const name = `out${i}`;
    const match = someOf(idents, random);
    for (const ident of match) unheard.delete(ident);
    written.set(name, []);
    const plugin = output(written.get(name) as string[], random);
    outputs.push(outputEntry(name, plugin, match, bufferOf(random)));
  }
  written.set("rest", []);
  const rest = output(written.get("rest") as string[], random);
  outputs.push(outputEntry("rest", rest, [...unheard, ...idents.slice(0, 1)]));
  return { inputs, filters, outputs, counts, written };
}

/** Some outputs have a buffer on disk, at times one that is full soon, or other credit than the rest. */
export function bufferOf(random: Random): Partial<OutputEntry> {
  if (random.chance(0.15)) return { buffer: { kind: "memory", bytesMax: random.pick([64, 4096]) } };
  if (!random.chance(0.35)) return {};
  return { buffer: { kind: "disk", bytesMax: random.pick([1_000, 8_000, 1 << 20]) } };
}

/** Whether nothing is left in a buffer on disk. */
export function buffersEmpty({ outputs }: Pick<Wiring, "outputs">): boolean {
  return outputs.every(({ stats }) => !stats.buffer?.packets);
}

export function someOf(idents: readonly string[], random: Random): string[] {
  const some = idents.filter(() => random.chance(0.5));
  return some.length > 0 ? some : [random.pick(idents)];
}

export type InputMood = {
  /** Whether its source breaks now and then. */
  readonly breaks: boolean;
  /** Told of every number before it is handed over. */
  readonly onEmit?: (number: number) => void;
  /** Where it begins when nothing is stored for it; from its first packet unless told. */
  readonly from?: () => number;
};

export function input(
  name: string,
  count: number,
  idents: readonly string[],
  random: Random,
  { breaks, onEmit, from }: InputMood = { breaks: true },
) {
  const batchMax = random.pick([1, 3, 17]);
  return defineInput<unknown, null>({
    name: "RandomInput",
    summary: "sends numbered packets",
    configSchema: anything,
    open: () => null,
    async run(_, context) {
      let at = (context.resume() as number | null) ?? from?.() ?? 0;
      while (at < count && !context.signal.aborted) {
        const batch: Packet[] = [];
        for (let i = 0; i < batchMax && at < count; i++) {
          at++;
          onEmit?.(at);
          const ident = idents[at % idents.length] as string;
          batch.push({ ...packetOf(ident, at, `${name}:${at}`), bytes: random.int(1, 400) });
        }
        const wait = context.emitBatch(batch);
        if (wait) await wait;
        if (breaks && random.chance(0.02)) throw new Error("the source broke");
      }
    },
  });
}

const moods = ["pass", "drop", "fork", "late", "lazy", "bad", "gather"] as const;

export function filter(random: Random, some: readonly (typeof moods)[number][] = moods) {
  const mood = random.pick(some);
  if (mood === "gather") return gatheringFilter(random);
  return defineFilter<unknown, null>({
    name: "RandomFilter",
    summary: mood,
    configSchema: anything,
    open: () => null,
    apply(_, packet, context) {
      const passed = { ...packet, ident: context.ident };
      const n = Number(textNumber(packet));
      if (mood === "drop") return n % 3 === 0 ? null : passed;
      if (mood === "fork") return n % 2 === 0 ? [passed, passed] : passed;
      if (mood === "late") return n % 4 === 0 ? Promise.resolve(passed) : passed;
      if (mood === "lazy") {
        return (function* () {
          for (let i = 0; i < 4; i++) yield passed;
        })();
      }
      if (mood === "bad" && n % 5 === 0) throw new Error("a bad packet");
      return passed;
    },
  });
}

/** Holds packets back and gives them all, in order, when it is asked to. */
export function gatheringFilter(random: Random) {
  const flushMs = random.int(1, 40);
  return defineFilter<unknown, { readonly ident: string }>({
    name: "RandomFilter",
    summary: "gather",
    configSchema: anything,
    open: ({ ident }) => ({ ident }),
    apply: ({ ident }, packet) => ({ ...packet, ident }),
    gather: {
      flushMs: () => flushMs,
      begin: (): Packet[] => [],
      add: (gathered, packet) => void (gathered as Packet[]).push(packet),
      end: (gathered, { position }, { ident }) =>
        (gathered as Packet[]).map((packet) => ({ ...packet, ident, position })),
    },
  });
}

const decoder = new TextDecoder();

export function textNumber({ payload }: Packet): string {
  const text = payload.kind === "bytes" && payload.value ? decoder.decode(payload.value) : "";
  return text.slice(text.indexOf(":") + 1);
}

export function output(sink: string[], random: Random) {
  const slow = random.chance(0.5);
  const unsure = random.chance(0.4);
  let crashesLeft = random.chance(0.4) ? 4 : 0;
  return defineOutput<unknown, null>({
    name: "RandomOutput",
    summary: "writes into an array",
    configSchema: anything,
    open: ({ clock }) =>
      slow
        ? new Promise((resolve) => void clock.after(random.int(1, 50), () => resolve(null)))
        : null,
    write(_, packets, { clock }) {
      // Not a bug in the words of the error table, so however often it comes nobody gives up.
      if (crashesLeft > 0 && random.chance(0.1)) {
        crashesLeft--;
        throw new DbusError("OUTPUT_REJECTED", "the sink broke");
      }
      const verdicts = packets.map((): Verdict => "done");
      // A sink that refuses one packet lets none behind it overtake.
      const stop =
        unsure && random.chance(0.3) ? random.int(0, packets.length - 1) : packets.length;
      for (let i = stop; i < packets.length; i++) {
        verdicts[i] = { retryAfterMs: 5, error: new Error("not now") };
      }
      const finish = () => {
        for (const packet of packets.slice(0, stop)) {
          const { payload } = packet;
          if (payload.kind === "bytes" && payload.value) sink.push(decoder.decode(payload.value));
        }
        return verdicts;
      };
      if (!slow) return finish();
      return new Promise((resolve) => {
        clock.after(random.int(1, 50), () => resolve(finish()));
      });
    },
  });
}

import { PAGE_BYTES_MAX } from "../deadletter/page.ts";
import type { PluginMemory } from "../plugin/define.ts";
import { compileGraph } from "./compile.ts";
import type { BusConfig, Config } from "./config.ts";

/** One reason for memory, and the most that it comes to, in bytes. */
export type MemoryPart = { readonly what: string; readonly bytes: number };

/**
 * What the resident memory of a bus stays below, whatever waits at its sources and however slow
 * its outputs are. `docs/reliability.md` explains the parts, and the soak holds the daemon to them.
 */
export type MemoryBound = {
  readonly parts: readonly MemoryPart[];
  readonly bytes: number;
  /** What of it is for packets larger than an edge: needed only when one of them comes. */
  readonly largeBytes: number;
};

const mib = 2 ** 20;

/** The daemon with MySQL, Kafka and the admin API, connected and idle: measured, and a tenth more. */
const runtimeBytes = 128 * mib;
/** The objects of a packet beside its values: payload, position, arrays, places in queues. */
const packetBytes = 1024;
/**
 * Values in memory for each byte that they are charged: text beyond Latin-1 takes two bytes for a
 * character, and the charge of a row counts its columns, so that short values are covered too.
 */
const valueFactor = 2;
/** The collector lets as much garbage pile up as is alive. */
const heapFactor = 2;
/** Of a packet of the ledger's window: copies, charge, position. */
const ledgerBytes = 28;

/** What a filter may give at once, as `actors/filter-array.ts` has it. */
const filterArray = { packets: 10_000, bytes: 32 * mib };

type Limit = { readonly packets: number; readonly bytes: number };

export function memoryBound(config: Config): MemoryBound {
  const { bus } = config;
  const parts: MemoryPart[] = [
    { what: "the runtime, the drivers, the state", bytes: runtimeBytes },
  ];
  const add = (what: string, bytes: number) => {
    if (bytes > 0) parts.push({ what, bytes });
  };
  let largest = 0;
  for (const { name, plugin, config: own } of config.inputs) {
    const readers = plugin.resources?.(own).length ?? 1;
    const { buffers = 0, packetBytesMax = 0 } = memoryOf(plugin, own, bus);
    add(`${name}: what is in flight`, readers * inFlight(bus.window));
    add(`${name}: what it has read and not handed over`, readers * buffers);
    if (packetBytesMax > bus.edge.bytes) largest = Math.max(largest, packetBytesMax);
  }
  const { edges } = compileGraph(config);
  for (const { name, plugin, config: own } of config.filters) {
    const out = edges.filter(({ from }) => from === name).length;
    const made = inFlight(filterArray) + out * inFlight(bus.edge);
    add(`${name}: what it made`, partitions(config) * made);
    add(`${name}: what it remembers`, heapFactor * (memoryOf(plugin, own, bus).buffers ?? 0));
  }
  let copies = 0;
  for (const { name, plugin, config: own, batch, buffer } of config.outputs) {
    const memory = memoryOf(plugin, own, bus);
    copies += memory.copies ?? defaultCopies;
    const batchBytes = Math.min(batch.bytesMax, bus.edge.bytes);
    add(
      `${name}: a batch being written`,
      (memory.copies ?? defaultCopies) * batchBytes * heapFactor,
    );
    add(`${name}: buffers of its own`, memory.buffers ?? 0);
    if (buffer.kind === "disk") add(`${name}: on the way to its disk and back`, spill(bus));
  }
  add("dead letters: a page of them, or being sent again", 3 * PAGE_BYTES_MAX);
  // Decoded, and the event that it came in; and written by every output at once.
  const largeBytes = largest * (valueFactor + 1 + copies);
  add("one packet as large as may be", largeBytes);
  return { parts, bytes: parts.reduce((sum, part) => sum + part.bytes, 0), largeBytes };
}

/** How often a batch is in memory while it is written, its packets not counted, unless told. */
const defaultCopies = 3;

function memoryOf<C>(
  plugin: { memory?(config: C, window: Limit): PluginMemory },
  config: C,
  { window }: BusConfig,
): PluginMemory {
  return plugin.memory?.(config, window) ?? {};
}

/** Packets that an edge or a window holds, as objects, with their garbage. */
function inFlight({ packets, bytes }: Limit): number {
  return heapFactor * (valueFactor * bytes + packetBytes * packets) + 2 * ledgerBytes * packets;
}

/** What was read and is being sent, and what is encoded for the disk: 4 MiB, as text and as bytes. */
function spill({ edge }: BusConfig): number {
  return inFlight(edge) + heapFactor * 3 * 4 * mib;
}

/** Each partition of each input has credit of its own on every edge. */
function partitions({ inputs }: Config): number {
  return inputs.reduce(
    (sum, { plugin, config }) => sum + (plugin.resources?.(config).length ?? 1),
    0,
  );
}

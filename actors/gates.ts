import { assert } from "#src/assert.ts";
import type { Clock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import type { Edge } from "#src/flow/edge.ts";
import type { Partition } from "#src/flow/partition.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import type { Wiring } from "./wiring.ts";

/** Where packets come in: an input, or the way back of dead letters. */
export type Gate = {
  readonly name: string;
  readonly partitions: PartitionSet;
  readonly ref: { signal(message: { readonly kind: "room" }): void };
};

export type HoldOptions = {
  readonly wiring: Wiring;
  readonly clock: Clock;
  readonly gates: (gate: Gate) => boolean;
  /** Edges that must be empty; whoever still has packets on them is held as well. */
  readonly leaving: readonly Edge[];
  /** Monotonic milliseconds. */
  readonly deadline: number;
};

function gatesOf({ inputs, redrive }: Wiring): readonly Gate[] {
  const sources = inputs.map(({ edge: { from }, partitions, ref }) => ({
    name: from,
    partitions,
    ref,
  }));
  return [...sources, { name: "redrive", partitions: redrive.partitions, ref: redrive.ref }];
}

/**
 * Lets nothing new in at these gates and waits until what came in is settled. Answers the gates,
 * which stay shut until `release`; when it takes too long they are opened again and it throws
 * `RELOAD_HELD` with the name of whoever does not take its packets.
 */
export async function hold(options: HoldOptions): Promise<readonly Gate[]> {
  const { wiring, clock, leaving, deadline } = options;
  const all = gatesOf(wiring);
  const held = new Set(all.filter((gate) => options.gates(gate)));
  for (;;) {
    const busy = new Set(leaving.flatMap((edge) => [...edge.unsettled().keys()]));
    for (const gate of all) if (hasOneOf(gate, busy)) held.add(gate);
    assert(
      [...busy].every((one) => owner(one, [...held])),
      "a packet came in by no gate",
    );
    for (const { partitions } of held) partitions.held = true;
    if (busy.size === 0 && [...held].every(({ partitions }) => partitions.inFlight === 0)) break;
    const left = Math.max(0, deadline - clock.now());
    const drained = await Promise.all([...held].map(({ partitions }) => partitions.drained(left)));
    if (drained.every((one) => one)) continue;
    const error = heldBy(wiring, [...held]);
    release([...held]);
    throw error;
  }
  return [...held];
}

/** Opens gates again. */
export function release(gates: readonly Gate[]): void {
  for (const { partitions, ref } of gates) {
    partitions.held = false;
    ref.signal({ kind: "room" });
  }
}

const hasOneOf = ({ partitions }: Gate, some: ReadonlySet<Partition>): boolean =>
  [...partitions.all()].some((partition) => some.has(partition));

const owner = (partition: Partition, gates: readonly Gate[]): Gate | undefined =>
  gates.find((gate) => hasOneOf(gate, new Set([partition])));

/** Names who has packets that are not settled: outputs rather than those that wait for them. */
function heldBy({ edges, outputs, redrive }: Wiring, gates: readonly Gate[]): DbusError {
  const waiting = new Map<string, number>();
  for (const edge of [...edges, ...redrive.edges]) {
    for (const [partition, packets] of edge.unsettled()) {
      if (owner(partition, gates)) waiting.set(edge.to, (waiting.get(edge.to) ?? 0) + packets);
    }
  }
  const sinks = outputs.filter(({ entry: { name } }) => waiting.has(name));
  const named = sinks.map(({ entry: { name }, stats }) => {
    const note = stats.note ?? (stats.ready ? undefined : "it is not open");
    return `${name} has not taken ${waiting.get(name)}${note ? ` (${note})` : ""}`;
  });
  const others = [...waiting].map(([name, packets]) => `${name} has not taken ${packets}`);
  const stuck = gates.filter(({ partitions }) => partitions.inFlight > 0);
  const inFlight = stuck.map(({ name, partitions }) => `${name} has ${partitions.inFlight}`);
  const who = (named.length > 0 ? named : others).join(", ") || "nobody has taken them";
  const message = `packets are still in flight: ${inFlight.join(", ")}; of these ${who}`;
  const names = (
    sinks.length > 0 ? sinks.map(({ entry }) => entry.name) : [...waiting.keys()]
  ).join(", ");
  const remedy =
    `mend ${names || "what is named"}, if need be by a reload that changes nothing but its own ` +
    "settings, which waits for nobody; or restart dbusd with the new file";
  return new DbusError("RELOAD_HELD", message, { remedy });
}

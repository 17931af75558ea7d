import type { Self } from "#src/actor/actor.ts";
import type { Timer } from "#src/clock.ts";
import type { Batch, BatchQueue } from "#src/flow/batch.ts";
import { seqOf } from "#src/flow/delivery.ts";
import type { EmitGate } from "#src/flow/emit-gate.ts";
import type { SourceRange } from "#src/plugin/context.ts";
import { type Keeper, nextBatch } from "./isolation.ts";
import type { OutputMessage } from "./protocol.ts";

/** What an output knows of packets that it may not write now. */
export type Emitting = Keeper & {
  /** What came in and is not in a batch yet. */
  readonly queue: BatchQueue;
  /** Holds what may not go out now. */
  readonly gate: EmitGate;
  /** What waits to be written again. */
  readonly batch: Batch | undefined;
  /** Runs while something is held. */
  look: Timer | undefined;
  /** What the status says of it. */
  heldNote: string | null;
};

/** Whoever changes what may go out tells the outputs; who forgets it costs this much. */
const LOOK_EVERY_MS = 100;

/**
 * What may be written at this moment, oldest first: what waits to be written again, what was held,
 * what is new. Undefined when none of what was next may go.
 */
export function nextToWrite(state: Emitting): Batch | undefined {
  const { gate, queue, stats } = state;
  const older = state.batch ?? (gate.packets > 0 ? nextBatch(gate, state) : undefined);
  const next = older ?? nextBatch(queue, state);
  const passed = next && gate.pass(next, older !== undefined);
  stats.queued = queue.packets + gate.packets;
  return passed;
}

/** Says what is held, and looks again after a while. */
export function watchHeld(state: Emitting, self: Self<OutputMessage>): void {
  const { gate, stats } = state;
  if (gate.packets === 0 && state.heldNote === null) return;
  const note = gate.note() ?? null;
  if (note !== null || stats.note === state.heldNote) stats.note = note;
  state.heldNote = note;
  if (note !== null) state.look ??= self.after(LOOK_EVERY_MS, { kind: "emission" });
}

/** Answers for a packet of the batch at hand under which fence its resource is read. */
export function fencesOf(
  batchAtHand: () => Batch | undefined,
): (index: number) => number | undefined {
  const known = new WeakMap<Batch, readonly (number | undefined)[] | undefined>();
  return (index) => {
    const batch = batchAtHand();
    if (!batch) return undefined;
    if (!known.has(batch)) known.set(batch, listFences(batch));
    return known.get(batch)?.[index];
  };
}

/** Where the packets of the batch at hand came from. */
export function sourcesOf(batchAtHand: () => Batch | undefined): () => readonly SourceRange[] {
  return () => {
    let at = 0;
    return (batchAtHand()?.ranges ?? []).map(({ delivery, from, to }): SourceRange => {
      const { input, resource, name, compare, ledger, fence } = delivery.partition;
      const start = at;
      at += to - from;
      const positionAt = (index: number) =>
        ledger.positionOf(seqOf(delivery, from + index - start));
      const source = { input, resource, partition: name, fence };
      return { ...source, from: start, to: at, compare, positionAt };
    });
  };
}

/** Undefined in a single process, where there are none. */
function listFences({ ranges }: Batch): readonly (number | undefined)[] | undefined {
  if (ranges.every(({ delivery }) => delivery.partition.fence === undefined)) return undefined;
  return ranges.flatMap(({ delivery, from, to }) =>
    new Array<number | undefined>(to - from).fill(delivery.partition.fence),
  );
}

import { defineActor, type Self } from "#src/actor/actor.ts";
import { DbusError } from "#src/errors.ts";
import type { Edge } from "#src/flow/edge.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import { edgeName, type Stuck, stuckHeads } from "#src/flow/stuck-head.ts";
import type { Log } from "#src/log.ts";
import type { StuckHeadMessage } from "./protocol.ts";

export type StuckHeadDeps = {
  readonly inputs: () => readonly PartitionSet[];
  /** Every edge of the graph as it is now. */
  readonly edges: () => readonly Edge[];
  readonly afterMs: number;
  readonly log: Log;
};

/** What an alarm was raised for, by partition. */
type State = StuckHeadDeps & { readonly told: Map<object, Stuck> };

const EVERY_MS_MAX = 1_000;

/**
 * Raises an alarm for a packet that holds up the checkpoint of its partition: once for each, in the
 * log; the status and the metrics show it for as long as it lasts.
 */
export const stuckHeadActor = defineActor<StuckHeadDeps, State, StuckHeadMessage>({
  name: "stuck-heads",
  init(deps, self) {
    again(deps, self);
    return { ...deps, told: new Map() };
  },
  receive(state, _, self) {
    again(state, self);
    look(state);
    return undefined;
  },
});

function again({ afterMs }: StuckHeadDeps, self: Self<StuckHeadMessage>): void {
  self.after(Math.min(EVERY_MS_MAX, afterMs / 4), { kind: "look" });
}

function look({ inputs, edges, afterMs, log, told }: State): void {
  const now = edges();
  const stuck = inputs().flatMap((partitions) => stuckHeads(partitions, now, afterMs));
  for (const [partition, before] of told) {
    if (stuck.some((head) => head.partition === partition && head.seq === before.seq)) continue;
    told.delete(partition);
    log.info("a packet that was stuck has been settled", fields(before));
  }
  for (const head of stuck) {
    if (told.has(head.partition)) continue;
    told.set(head.partition, head);
    const { heldMs, edges: at } = head;
    const where = at.length === 0 ? "no edge" : at.map(edgeName).join(" and ");
    const text = `the oldest packet of ${head.partition.input} has hung on ${where} for long`;
    const error = new DbusError("HEAD_STUCK", text);
    log.error("a checkpoint is held up by one packet", { error, ...fields(head), heldMs });
  }
}

function fields({ partition, seq, position, edges }: Stuck) {
  const { input, resource, name } = partition;
  return { input, resource, partition: name, ticket: seq, position, at: edges.map(edgeName) };
}

import { defineActor, type Reply } from "#src/actor/actor.ts";
import type { ReloadReport, ReloadRequest } from "#src/api/port.ts";
import type { CheckpointKey, CheckpointStore } from "#src/checkpoint/store.ts";
import type { InputEntry } from "#src/config/config.ts";
import { DbusError } from "#src/errors.ts";
import type { Json } from "#src/flow/position.ts";
import type { InputNode, Wiring } from "./wiring.ts";

export type EngineMessage =
  | {
      readonly kind: "setPaused";
      readonly input: string;
      readonly paused: boolean;
      readonly reply: Reply<void>;
    }
  | {
      readonly kind: "reposition";
      readonly key: CheckpointKey;
      readonly position: Json | null;
      /** Only finds out whether it could be done. */
      readonly dryRun: boolean;
      readonly reply: Reply<void>;
    }
  | {
      readonly kind: "reload";
      readonly request: ReloadRequest;
      readonly reply: Reply<ReloadReport>;
    };

export type EngineDeps = {
  readonly wiring: Wiring;
  readonly checkpoints: CheckpointStore;
  readonly wake: (path: string) => boolean;
  readonly reload: (request: ReloadRequest) => Promise<ReloadReport>;
};

/** Does what an operator asks for, one command after the other, whatever the API is sent at once. */
export const engineActor = defineActor<EngineDeps, EngineDeps, EngineMessage>({
  name: "commands",
  init: (deps) => deps,
  receive(state, message) {
    switch (message.kind) {
      case "setPaused":
        return answer(message.reply, () => setPaused(state, message.input, message.paused));
      case "reposition":
        return answer(message.reply, () => reposition(state, message));
      case "reload":
        return answer(message.reply, () => state.reload(message.request));
    }
  },
});

async function answer<T>(reply: Reply<T>, work: () => Promise<T>): Promise<undefined> {
  await work().then(reply.resolve, reply.reject);
  return undefined;
}

/** Pauses or resumes every resource of an input; resuming also ends a wait for the next attempt. */
async function setPaused(state: EngineDeps, name: string, paused: boolean): Promise<void> {
  const nodes = state.wiring.inputs.filter(({ entry }) => entry.name === name);
  if (nodes.length === 0) throw new DbusError("NOT_FOUND", `no input is named ${name}`);
  for (const node of nodes) {
    node.partitions.paused = paused;
    node.ref.signal({ kind: paused ? "pause" : "resume" });
    if (!paused) state.wake(node.path);
  }
}

async function reposition(
  state: EngineDeps,
  { key, position, dryRun }: EngineMessage & { kind: "reposition" },
): Promise<void> {
  const node = state.wiring.inputs.find(
    ({ partitions: { key: own } }) => own.input === key.input && own.resource === key.resource,
  );
  if (!node) throw new DbusError("NOT_FOUND", `no input ${key.input} reads ${key.resource}`);
  if (position !== null) checkPosition(node.entry, position);
  if (dryRun) return;
  if (node.stats.state === "backoff") return repositionStopped(state, node, key, position);
  const { partition } = key;
  await node.ref.ask<void>((reply) => ({ kind: "reposition", partition, position, reply }));
}

/** The input waits for its next attempt, perhaps because of this very checkpoint: write, then wake it. */
async function repositionStopped(
  { checkpoints, wake }: EngineDeps,
  { entry, partitions, path }: InputNode,
  { partition }: CheckpointKey,
  position: Json | null,
): Promise<void> {
  if (partitions.inFlight > 0) {
    throw new DbusError("ACTOR_UNAVAILABLE", `${entry.name} still has packets in flight`);
  }
  await partitions.reposition(checkpoints, partition, position);
  wake(path);
}

function checkPosition({ plugin }: InputEntry, position: Json): void {
  const checked = plugin.positionSchema?.safeParse(position);
  if (checked === undefined || checked.success) return;
  const faults = checked.error.issues.map(({ path, message }) => {
    return path.length === 0 ? message : `${path.join(".")}: ${message}`;
  });
  const remedy = "spell it as dbc checkpoint get does";
  const message = `not a position of ${plugin.name}: ${faults.join("; ")}`;
  throw new DbusError("REQUEST_INVALID", message, { remedy });
}

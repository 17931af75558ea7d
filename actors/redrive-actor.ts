import { defineActor, type Reply } from "#src/actor/actor.ts";
import { createDeque, type Deque } from "#src/actor/deque.ts";
import type { Overtaking } from "#src/deadletter/overtaking.ts";
import type { DeadLetter, DeadLetterStore } from "#src/deadletter/store.ts";
import { DbusError } from "#src/errors.ts";
import type { Edge } from "#src/flow/edge.ts";
import { DEADLETTERED, DELIVERED, type Outcome } from "#src/flow/outcome.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import type { RedriveMessage, Redriven } from "./protocol.ts";

export type RedriveDeps = {
  readonly deadLetters: DeadLetterStore;
  readonly overtaking: Overtaking;
  /** One edge to each filter and output that there is now; the sender is this actor. */
  readonly edges: () => readonly Edge[];
  readonly partitions: PartitionSet;
};

type Waiting = {
  readonly letter: DeadLetter;
  readonly done: (outcome: Outcome) => void;
  /** Its node is not there any more. */
  readonly gone: () => void;
};

type State = RedriveDeps & { readonly queue: Deque<Waiting> };

/**
 * Sends dead letters again to the node that refused them, in the order of their numbers. One that
 * is refused again becomes a new dead letter; either way the old one is marked.
 */
export const redriveActor = defineActor<RedriveDeps, State, RedriveMessage>({
  name: "redrive",
  init(deps, self) {
    deps.partitions.onRoom = () => self.signal({ kind: "room" });
    return { ...deps, queue: createDeque<Waiting>() };
  },
  receive(state, message) {
    switch (message.kind) {
      case "redrive":
        redrive(state, message.ids, message.reply);
        return undefined;
      case "settled": {
        const { delivery } = message;
        state
          .edges()
          .find((edge) => edge === delivery.edge)
          ?.settled(message);
        return undefined;
      }
      case "attached":
        state
          .edges()
          .find((edge) => edge.to === message.to)
          ?.attached(message.incarnation);
        pump(state);
        return undefined;
      case "room":
        pump(state);
        return undefined;
    }
  },
});

/** What an input could not read is not here: there is nothing to send again. */
function pointerOnly({ id, input, position, reason }: DeadLetter): DbusError {
  const message = `dead letter ${id} only says where something is that ${input} could not read`;
  return new DbusError("DEADLETTER_POINTER", `${message}, up to ${position}: ${reason}`);
}

function redrive(state: State, ids: readonly number[], reply: Reply<Redriven>): void {
  const letters: DeadLetter[] = [];
  for (const id of ids.toSorted((a, b) => a - b)) {
    const letter = state.deadLetters.get(id);
    if (!letter) {
      const remedy = "dbc deadletters list shows their numbers";
      reply.reject(new DbusError("NOT_FOUND", `no dead letter ${id}`, { remedy }));
      return;
    }
    if (letter.node === letter.input) {
      reply.reject(pointerOnly(letter));
      return;
    }
    if (!state.edges().some((edge) => edge.to === letter.node)) {
      reply.reject(nodeGone(letter));
      return;
    }
    letters.push(letter);
  }
  if (letters.length === 0) {
    reply.resolve({ delivered: 0, failed: 0, outOfOrder: [] });
    return;
  }
  let delivered = 0;
  let failed = 0;
  const outOfOrder: number[] = [];
  const { overtaking } = state;
  for (const letter of letters) {
    const done = (outcome: Outcome) => {
      if (outcome === DEADLETTERED) failed++;
      else {
        delivered++;
        // Looked at now: what has overtaken it on the way counts as well.
        if (overtaking.overtaken(letter.id)) outOfOrder.push(letter.id);
        overtaking.redriven(letter.id);
      }
      if (delivered + failed < letters.length) return;
      state.deadLetters.markRedriven(letters.map(({ id }) => id));
      reply.resolve({ delivered, failed, outOfOrder });
    };
    state.queue.push({ letter, done, gone: () => reply.reject(nodeGone(letter)) });
  }
  pump(state);
}

function nodeGone({ node }: DeadLetter): DbusError {
  const remedy = `give a filter or output the name ${node} again, then redrive it`;
  return new DbusError("NOT_FOUND", `no node ${node} any more`, { remedy });
}

function pump({ queue, edges, partitions }: State): void {
  if (partitions.held) return;
  for (let waiting = queue.peek(); waiting; waiting = queue.peek()) {
    const { letter, done } = waiting;
    const edge = edges().find(({ to }) => to === letter.node);
    if (!edge) {
      queue.shift();
      waiting.gone();
      continue;
    }
    const partition = partitions.get("0");
    const packets = [letter.packet];
    if (edge.fits(partition, packets, 0, 1) === 0) return;
    if (partition.ledger.fits(packets, 0) === 0) return;
    queue.shift();
    const first = partition.ledger.admit(packets, 0, 1);
    partition.ledger.track(first, 1, { remaining: 1, worst: DELIVERED, done });
    edge.send(partition, packets, first);
  }
}

import { defineActor } from "#src/actor/actor.ts";
import { discard, settle } from "#src/flow/delivery.ts";
import { DELIVERED } from "#src/flow/outcome.ts";
import type { Outlet } from "#src/flow/outlet.ts";
import type { RouterMessage } from "./protocol.ts";

export type RouterDeps = {
  readonly outlet: Outlet;
  /** Tells the senders into this actor, at each start. */
  readonly attached: (incarnation: number) => void;
};

/**
 * Sends packets to the filters and outputs that match them. It keeps nothing itself: a delivery
 * that finds no credit stays in its lane of the mailbox, so one slow output stops only the
 * partitions that feed it.
 */
export const routerActor = defineActor<RouterDeps, RouterDeps, RouterMessage>({
  name: "router",
  init(deps, self) {
    self.clearData();
    deps.attached(self.incarnation);
    return deps;
  },
  receive({ outlet }, message, self) {
    switch (message.kind) {
      case "deliver": {
        if (message.incarnation !== self.incarnation) return undefined;
        if (message.partition.right.fenced) {
          discard(message);
          return undefined;
        }
        const from = message.taken;
        message.taken += outlet.forward(message);
        settle(message, from, message.taken, DELIVERED);
        return message.taken < message.packets.length ? "hold" : undefined;
      }
      case "settled":
        outlet.settled(message);
        self.release(message.delivery.partition.lane);
        return undefined;
      case "attached":
        outlet.attached(message);
        self.releaseAll();
        return undefined;
      case "emission":
        self.releaseAll();
        return undefined;
      // Nothing lingers here.
      case "hurry":
        return undefined;
    }
  },
});

import { DbusError } from "../errors.ts";
import type { Message, Ref } from "./actor.ts";

/** A ref that can be handed out before its actor exists, and is bound before anything starts. */
export type LateRef<M extends Message> = Ref<M> & { bind(target: Ref<M>): void };

export function createLateRef<M extends Message>(path: string): LateRef<M> {
  const unbound = () => {
    throw new DbusError("INVARIANT", `nothing is bound to ${path}`);
  };
  return {
    path,
    signal: unbound,
    send: unbound,
    ask: unbound,
    // Its methods are replaced, so that a message costs no detour; nobody may keep them apart.
    bind(target) {
      this.signal = target.signal;
      this.send = target.send;
      this.ask = target.ask;
    },
  };
}

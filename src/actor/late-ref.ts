import { assert } from "../assert.ts";
import type { Message, Ref } from "./actor.ts";

/** A ref that can be handed out before its actor exists, and is bound before anything starts. */
export type LateRef<M extends Message> = Ref<M> & { bind(target: Ref<M>): void };

export function createLateRef<M extends Message>(path: string): LateRef<M> {
  let target: Ref<M> | undefined;
  const bound = (): Ref<M> => {
    assert(target, `nothing is bound to ${path}`);
    return target;
  };
  return {
    path,
    bind(ref) {
      target = ref;
    },
    signal: (message) => bound().signal(message),
    send: (lane, message, bytes) => bound().send(lane, message, bytes),
  };
}

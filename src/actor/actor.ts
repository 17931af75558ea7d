import type { Clock, Timer } from "../clock.ts";

/** Every message is told apart by its `kind`. */
export type Message = { readonly kind: string };

/** How a message that is asked is answered. The first answer counts. */
export type Reply<T> = { resolve(value: T): void; reject(error: unknown): void };

/** Where to send. Stays valid over restarts of the actor behind it. */
export type Ref<M extends Message> = {
  readonly path: string;
  /** Overtakes data and needs no credit: for acks, grants, control. */
  signal(message: M): void;
  /** Goes into the lane of one source partition, behind what is there. The sender has the credit. */
  send(lane: number, message: M, bytes: number): void;
  /**
   * A signal that waits for its answer. It is asked of the incarnation at hand: when that ends before
   * it has answered, or there is none, this rejects with `ACTOR_UNAVAILABLE`, and no later one gets
   * the message.
   */
  ask<T>(message: (reply: Reply<T>) => M): Promise<T>;
};

/** What an actor may do besides answering its messages. All of it ends with its incarnation. */
export type Self<M extends Message> = Ref<M> & {
  /** 1 for the first start, one more with each restart. */
  readonly incarnation: number;
  readonly clock: Clock;
  /** A signal to itself after a while. */
  after(ms: number, message: M): Timer;
  /**
   * Turns the end of asynchronous work into a signal to itself. What comes of it when this
   * incarnation has ended, or is ended before it takes it, goes to `unwanted`: whoever opens
   * something gives it back there. Must not throw.
   */
  pipe<T>(
    work: Promise<T>,
    done: (value: T) => M,
    failed: (error: unknown) => M,
    unwanted?: (value: T) => void,
  ): void;
  /** Lets a lane that `receive` held be taken again. */
  release(lane: number): void;
  releaseAll(): void;
  /** Forgets the data that waits: the senders hold it and send it again. */
  clearData(): void;
  /**
   * Ends this incarnation with an error that was to be expected, e.g. of a plugin. The message at
   * hand counts as handled, where throwing would give it to the next incarnation.
   */
  fail(error: unknown): void;
};

/** `hold` leaves the data message where it is until its lane is released. */
export type Received = "hold" | undefined | Promise<undefined>;

export type ActorDefinition<D, S, M extends Message> = {
  readonly name: string;
  /** Called at each start and restart. */
  init(deps: D, self: Self<M>): S | Promise<S>;
  /**
   * One message at a time. Throwing is for bugs: it ends the incarnation, and the message is given
   * to the next one, since a lost ack or grant would stall the bus without a word.
   */
  receive(state: S, message: M, self: Self<M>): Received;
  /**
   * The way to an orderly end. Messages are still received until it resolves, and every resource
   * is given back in it. Not called after a failure: then `abandon` is.
   */
  stop?(state: S, self: Self<M>): Promise<void> | void;
  /** Gives back what an incarnation held that failed with `error`. Must not throw. */
  abandon?(state: S, error: unknown): void;
};

export function defineActor<D, S, M extends Message>(
  definition: ActorDefinition<D, S, M>,
): ActorDefinition<D, S, M> {
  return definition;
}

/** An actor with its dependencies: what a child spec starts. */
export type Behaviour<M extends Message> = {
  readonly name: string;
  init(self: Self<M>): unknown;
  receive(state: unknown, message: M, self: Self<M>): Received;
  stop(state: unknown, self: Self<M>): Promise<void> | void;
  abandon(state: unknown, error: unknown): void;
};

export function behaviour<D, S, M extends Message>(
  definition: ActorDefinition<D, S, M>,
  deps: D,
): Behaviour<Message> {
  const made: Behaviour<M> = {
    name: definition.name,
    init: (self) => definition.init(deps, self),
    receive: (state, message, self) => definition.receive(state as S, message, self),
    stop: (state, self) => definition.stop?.(state as S, self),
    abandon: (state, error) => definition.abandon?.(state as S, error),
  };
  return made as unknown as Behaviour<Message>;
}

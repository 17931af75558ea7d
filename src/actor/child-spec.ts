import type { Behaviour, Message } from "./actor.ts";
import type { BackoffPolicy } from "./backoff.ts";

/**
 * Which children are started anew when one fails: that one, all, or that one and those after it.
 * The words and their meaning are OTP's (`supervisor`).
 */
export type Strategy = "one_for_one" | "one_for_all" | "rest_for_one";

/** `permanent` and `transient` are started anew after a failure, `temporary` stays down. */
export type Restart = "permanent" | "transient" | "temporary";

export type WorkerSpec = {
  readonly kind: "worker";
  readonly id: string;
  readonly behaviour: Behaviour<Message>;
  readonly restart: Restart;
  /** How long an orderly end may take. */
  readonly shutdownMs: number;
  /** After a failure that passes by itself it waits no longer than that, whatever its supervisor says. */
  readonly retryMsMax?: number;
};

export type SupervisorSpec = {
  readonly kind: "supervisor";
  readonly id: string;
  readonly strategy: Strategy;
  /** Why this strategy, for people who read the tree. */
  readonly why: string;
  /** More failures than this within `periodMs` end the supervisor, which its own one is told. */
  readonly intensity: number;
  readonly periodMs: number;
  readonly backoff: BackoffPolicy;
  /** In the order in which they start; they stop in reverse. */
  readonly children: readonly ChildSpec[];
};

export type ChildSpec = WorkerSpec | SupervisorSpec;

/** Other children for a supervisor that runs on; every child that is not named is left alone. */
export type ChildChange = {
  readonly remove: readonly string[];
  /** Started anew under another spec; whoever has its ref or sent it mail notices nothing. */
  readonly replace: readonly WorkerSpec[];
  /** They stand after those that are there. */
  readonly add: readonly WorkerSpec[];
};

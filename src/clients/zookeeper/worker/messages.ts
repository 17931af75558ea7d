import { DbusError, type ErrorCode } from "../../../errors.ts";
import type { ZkAddress } from "../address.ts";
import type { ZkTls } from "../connection.ts";
import type { ZkEvent, ZkState } from "../port.ts";
import type { WatchKind } from "../watches.ts";
import { ZkError, type ZkReason } from "../zk-error.ts";

/** What the thread is told. Every message has the sender's monotonic clock, for `heard`. */
export type ToThread = { readonly now: number } & (
  | {
      readonly kind: "open";
      readonly memory: SharedArrayBuffer;
      readonly address: ZkAddress;
      readonly sessionTimeoutMs: number;
      readonly tls: ZkTls | undefined;
      readonly digest: string | undefined;
      /** Numbers that the opener has drawn, for the order of servers and the pauses between tries. */
      readonly draws: readonly number[];
    }
  | ThreadRequest
  | { readonly kind: "close"; readonly deadlineMs: number }
  | { readonly kind: "time" }
);

export type ThreadRequest = {
  readonly kind: "request";
  readonly id: number;
  /**
   * The connection that the sender saw, by its number; null when it saw none. What was meant for
   * one that is gone is not sent on another, as it is not without a thread.
   */
  readonly connection: number | null;
  readonly what: string;
  readonly opcode: number;
  readonly writes: boolean;
  readonly takesErrors: readonly number[];
  readonly watch: { readonly kind: WatchKind; readonly path: string } | null;
  readonly body: Uint8Array;
};

/** What it tells, in the order in which it came to know it. */
export type FromThread =
  | { readonly kind: "ready" }
  | {
      readonly kind: "state";
      readonly state: ZkState;
      readonly session: bigint;
      readonly timeoutMs: number;
    }
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly errno: number;
      readonly body: Uint8Array;
    }
  | { readonly kind: "failed"; readonly id: number; readonly error: PlainError }
  | { readonly kind: "event"; readonly event: ZkEvent };

/** An error as it can be sent. */
export type PlainError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly reason?: ZkReason;
  readonly outcomeUnknown?: boolean;
};

export function plainError(error: DbusError): PlainError {
  const { code, message } = error;
  if (!(error instanceof ZkError)) return { code, message };
  return { code, message, reason: error.reason, outcomeUnknown: error.outcomeUnknown };
}

export function errorOf({ code, message, reason, outcomeUnknown }: PlainError): DbusError {
  if (reason === undefined) return new DbusError(code, message);
  return new ZkError(reason, message, outcomeUnknown);
}

/*
 * The shared memory: `heard` on the monotonic clock of the opener and on the wall clock, in
 * microseconds, 0 before the first answer; and a count that grows while the thread runs.
 */
export const memoryBytes = 3 * BigInt64Array.BYTES_PER_ELEMENT;
export const HEARD_NOW = 0;
export const HEARD_WALL = 1;
export const BEAT = 2;
export const BEAT_MS = 200;

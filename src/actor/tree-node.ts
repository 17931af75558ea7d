import type { ChildChange, Strategy, WorkerSpec } from "./child-spec.ts";

export type NodeError = { readonly code: string; readonly message: string; readonly at: number };

export type NodeStatus = {
  readonly path: string;
  readonly state: "starting" | "running" | "backoff" | "stopping" | "stopped" | "failed";
  readonly restarts: number;
  readonly lastError: NodeError | null;
  readonly mailbox: { readonly depth: number; readonly bytes: number };
  readonly handled: number;
  readonly busyMs: number;
  readonly strategy?: Strategy;
  readonly children: readonly NodeStatus[];
};

/** A running child: an actor's cell, or a supervisor with children of its own. */
export type TreeNode = {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Ends the backoff of the actor at that path; false when it is not in one. */
  wake(path: string): boolean;
  /** Changes the children of the supervisor at that path; undefined when it is not here. */
  change(path: string, change: ChildChange): Promise<void> | undefined;
  /** Takes another spec, from the next start on. */
  become(spec: WorkerSpec): void;
  /** It is never started again. */
  dispose(): void;
  status(): Omit<NodeStatus, "restarts" | "lastError">;
};

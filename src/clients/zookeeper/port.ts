/**
 * ZooKeeper as the cluster sees it: one session, from its first connection to its end. A session
 * that has expired stays so; whoever needs another opens a new one, so nothing of the old one can
 * be taken for something of the new.
 */
export type ZkSession = {
  readonly state: ZkState;
  /** The id that the server gave, 0n before the first connection. */
  readonly id: bigint;
  /** What the server agreed to, in ms; what was asked for before that. */
  readonly timeoutMs: number;
  /**
   * When the newest request that the leader answered had been sent: it counts the session's timeout
   * from later than that. What a server answers by itself, such as a read or a ping, says nothing:
   * one that is cut off goes on doing so. Null before the first answer.
   */
  readonly heard: Heard | null;
  /** Calls `listener` at each change of state, in order; the answer ends it. */
  onState(listener: (state: ZkState) => void): () => void;
  /** Resolves with the path that was made: with its number where the mode is sequential. */
  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string>;
  exists(path: string, watch?: ZkWatcher): Promise<ZkStat | null>;
  get(path: string, watch?: ZkWatcher): Promise<ZkNode>;
  /** Names of the children, without the path, in no order. */
  children(path: string, watch?: ZkWatcher): Promise<ZkChildren>;
  /** Sets the data of a node that has `version`. */
  set(path: string, data: Uint8Array, version: number): Promise<ZkStat>;
  /** Deletes a node that has `version` and no children. */
  delete(path: string, version: number): Promise<void>;
  /** All of it or nothing, at one moment. Rejects with the error of the first that failed. */
  multi(operations: readonly ZkOperation[]): Promise<readonly ZkResult[]>;
  /** Resolves when the server that answers us knows all that was written before the call. */
  sync(path: string): Promise<void>;
  /** Ends the session on the server too, if it can be reached within `deadlineMs`. Never rejects. */
  close(deadlineMs?: number): Promise<void>;
};

/**
 *   connecting -> connected <-> suspended -> expired
 *
 * `suspended`: there is no connection, and the session may live on or not. `expired`, `denied`
 * (the server refuses our credentials) and `closed` are final.
 */
export type ZkState = "connecting" | "connected" | "suspended" | "expired" | "denied" | "closed";

/** One moment on the monotonic and on the wall clock, in ms. */
export type Heard = { readonly now: number; readonly wall: number };

/** Called once: ZooKeeper forgets a watch when it fires. `lost` says that the session has ended. */
export type ZkWatcher = (event: ZkEvent) => void;

export type ZkEvent = {
  readonly kind: "created" | "deleted" | "changed" | "children" | "lost";
  readonly path: string;
};

export type ZkStat = {
  /** Of the transactions that created it, changed it, and changed its children last. */
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  /** Unix milliseconds of the server. */
  readonly createdAt: number;
  readonly changedAt: number;
  /** Signed 32 bits that wrap around: compare for equality only. */
  readonly version: number;
  readonly childrenVersion: number;
  /** The session that an ephemeral node ends with, else 0n. */
  readonly ephemeralOwner: bigint;
  readonly dataBytes: number;
  readonly childCount: number;
};

export type ZkNode = { readonly data: Uint8Array; readonly stat: ZkStat };
export type ZkChildren = { readonly names: readonly string[]; readonly stat: ZkStat };

export type CreateMode =
  | "persistent"
  | "ephemeral"
  | "persistent_sequential"
  | "ephemeral_sequential";

export type ZkAcl = {
  /** Letters of `cdrwa`: create, delete, read, write, admin. */
  readonly permissions: string;
  readonly scheme: string;
  readonly id: string;
};

export type CreateOptions = {
  /** `persistent` unless told. */
  readonly mode?: CreateMode;
  /** The session's default unless told. */
  readonly acl?: readonly ZkAcl[];
};

export type ZkOperation =
  | ({ readonly kind: "create"; readonly path: string; readonly data: Uint8Array } & CreateOptions)
  | {
      readonly kind: "set";
      readonly path: string;
      readonly data: Uint8Array;
      readonly version: number;
    }
  | { readonly kind: "delete"; readonly path: string; readonly version: number }
  /** Fails unless the node has that version; `exists` is content with any. */
  | { readonly kind: "check"; readonly path: string; readonly version: number | "exists" };

export type ZkResult =
  | { readonly kind: "create"; readonly path: string }
  | { readonly kind: "set"; readonly stat: ZkStat }
  | { readonly kind: "delete" }
  | { readonly kind: "check" };

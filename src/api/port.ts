import type { Checkpoint, CheckpointKey } from "../checkpoint/store.ts";
import type { EntryChange } from "../config/diff.ts";
import type { DeadLetter, DeadLetterQuery } from "../deadletter/store.ts";
import type { Problem } from "../errors.ts";
import type { Gap } from "../gap/store.ts";
import type { LoopLag } from "../watchdog/watchdog.ts";
import type { ClusterPort } from "./cluster-port.ts";

/** What introspection says of one actor. */
export type ActorStatus = {
  readonly path: string;
  readonly state: "starting" | "running" | "backoff" | "stopping" | "stopped" | "failed";
  readonly restarts: number;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly at: number;
  } | null;
  readonly mailbox: { readonly depth: number; readonly bytes: number };
  /** Credit left on each edge towards the next actors, in packets; empty where there is none. */
  readonly credit: Readonly<Record<string, number>>;
  /** Messages handled, and the time spent handling them. */
  readonly handled: number;
  readonly busyMs: number;
  /** Set for supervisors. */
  readonly strategy?: "one_for_one" | "one_for_all" | "rest_for_one";
  readonly children: readonly ActorStatus[];
};

/**
 * How a filter or output is. Its actor waits for its next attempt in `backoff` as in `blocked`, which
 * only a person ends; an output that holds what its sink refused (`onFailed: block`) is blocked too.
 */
export type NodeState = ActorStatus["state"] | "blocked";

/** A packet that holds up a checkpoint for longer than `bus.stuckHeadMs`. */
export type StuckHead = {
  readonly partition: string;
  /** The number of the packet in its partition since the start of the process, from 0. */
  readonly ticket: number;
  /** Its position as JSON text. */
  readonly position: string;
  readonly heldMs: number;
  /** The edges whose receivers have not settled it, e.g. `router -> warehouse`. */
  readonly at: readonly string[];
};

export type InputStatus = {
  readonly name: string;
  readonly resource: string;
  readonly label: string;
  readonly plugin: string;
  readonly state:
    | "starting"
    | "running"
    | "paused"
    | "backoff"
    /** As of filters and outputs. */
    | "blocked"
    | "finished"
    | "failed"
    | "stopped"
    /** Another participant of the cluster reads it, or none yet. */
    | "standby";
  /** What the plugin says of itself, e.g. `reconnecting: …`. */
  readonly note: string | null;
  /** How often the source was lost while it was read, since the start of the process. */
  readonly interruptions: number;
  /** How long the source has had it wait by a quota, since the start of the process. */
  readonly throttledMs: number;
  readonly packets: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly inFlightBytes: number;
  readonly lagSeconds: number | null;
  readonly lagBytes: number | null;
  readonly lagRecords: number | null;
  /** One for each partition that hangs; empty while all is well. */
  readonly stuck: readonly StuckHead[];
  readonly lastError: ActorStatus["lastError"];
};

export type FilterStatus = {
  readonly name: string;
  readonly plugin: string;
  readonly state: NodeState;
  readonly packets: number;
  readonly dropped: number;
  readonly emitted: number;
  readonly failed: number;
  /** Calls that did not return in time. */
  readonly timeouts: number;
  /** Packets that were the cause of crashes and are in the dead letters. */
  readonly poisoned: number;
  /** Packets that may be the cause of a crash. */
  readonly suspects: number;
  readonly lastError: ActorStatus["lastError"];
};

export type OutputStatus = {
  readonly name: string;
  readonly plugin: string;
  readonly state: NodeState;
  readonly note: string | null;
  /** How long the sink has had it wait by a quota, since the start of the process. */
  readonly throttledMs: number;
  readonly packets: number;
  readonly bytes: number;
  readonly retried: number;
  /** Of the packets those that it has left out on purpose, as a mirror does with what comes back. */
  readonly leftOut: number;
  readonly failed: number;
  readonly queued: number;
  /** What waits in its buffer on disk; null without one. */
  readonly buffer: {
    readonly packets: number;
    readonly bytes: number;
    /** How long its oldest packet has waited; 0 when it is empty, null when that is not known. */
    readonly oldestAgeSeconds: number | null;
    readonly note: string | null;
  } | null;
  readonly timeouts: number;
  readonly poisoned: number;
  readonly suspects: number;
  readonly lastError: ActorStatus["lastError"];
};

/** Which configuration runs, and what became of the last one that was to follow it. */
export type ConfigStatus = {
  readonly file: string;
  /** The beginning of a hash of what `dbc config show` prints: comments and secrets do not count. */
  readonly hash: string;
  /** 1 at the start, one more with each reload that changed something. */
  readonly version: number;
  /** Unix milliseconds. */
  readonly loadedAt: number;
  /** The last reload, when it was refused; null once one was taken. */
  readonly refused: {
    readonly at: number;
    readonly code: string;
    readonly message: string;
  } | null;
};

export type ReloadRequest = {
  /** Who asks, for the log: `SIGHUP`, `--watch`, `the admin API`. */
  readonly by: string;
  /** Only says what would be done, or why it would be refused. */
  readonly dryRun: boolean;
};

export type ReloadReport = {
  readonly outcome: "applied" | "unchanged" | "dry-run";
  readonly version: number;
  readonly hash: string;
  readonly changes: readonly EntryChange[];
  /** Inputs that wait until what they have in flight has arrived. */
  readonly rerouted: readonly string[];
  /** What is odd about the file, but no error. */
  readonly warnings: readonly Problem[];
};

export type Stat = {
  readonly version: string;
  readonly pid: number;
  readonly epoch: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly uptimeMs: number;
  readonly rssBytes: number;
  /** How long the event loop stood still; null when nobody watches it. */
  readonly loopLag: LoopLag | null;
  /** What resident memory stays below with this configuration. */
  readonly memoryBoundBytes: number;
  readonly ready: boolean;
  /** Where the configuration does without a protection that is on by default. */
  readonly insecure: readonly string[];
  readonly config: ConfigStatus;
  readonly inputs: readonly InputStatus[];
  readonly filters: readonly FilterStatus[];
  readonly outputs: readonly OutputStatus[];
  readonly unrouted: { readonly packets: number; readonly idents: readonly string[] };
  readonly deadLetters: number;
  readonly gaps: number;
};

export type Topology = {
  readonly nodes: readonly {
    readonly name: string;
    readonly kind: "input" | "filter" | "output";
    readonly plugin: string;
    readonly match: readonly string[];
    readonly idents: readonly string[];
  }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
};

export type CheckpointView = Checkpoint & { readonly watermark: string | null };

/**
 * What the admin API asks of the running system. Every method throws `DbusError`: `NOT_FOUND`,
 * `REQUEST_INVALID`, `ACTOR_UNAVAILABLE`.
 */
export type AdminPort = {
  stat(): Stat;
  topology(): Topology;
  supervisor(): ActorStatus;
  config(): unknown;
  /**
   * Reads the configuration again and changes what runs to fit it. Refused whole, with nothing
   * changed: with a code of the configuration and all its `problems`, `RELOAD_RESTART` or
   * `RELOAD_HELD`.
   */
  reload(request: ReloadRequest): Promise<ReloadReport>;
  pause(input: string): Promise<void>;
  resume(input: string): Promise<void>;
  checkpoints(): Promise<readonly CheckpointView[]>;
  /**
   * Stops reading, waits for what is in flight, writes, reads on from there. Refused when the
   * position is not valid, which a dry run finds out as well.
   */
  setCheckpoint(key: CheckpointKey, position: unknown, dryRun?: boolean): Promise<void>;
  resetCheckpoint(key: CheckpointKey, dryRun?: boolean): Promise<void>;
  deadLetters(query: DeadLetterQuery): readonly DeadLetter[];
  deadLetter(id: number): DeadLetter;
  /** Sends them again to the node that refused them; returns how many were delivered. */
  redrive(ids: readonly number[]): Promise<{
    readonly delivered: number;
    readonly failed: number;
    /** Those delivered that a newer packet of their key has overtaken, or may have. */
    readonly outOfOrder: readonly number[];
  }>;
  gaps(): readonly Gap[];
  /** Where this process shares its work with others, or is a cluster of one. */
  readonly cluster?: ClusterPort | undefined;
};

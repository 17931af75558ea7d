import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import type { Clock } from "#src/clock.ts";
import type { DbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import type { EpochMemory, Identity } from "./identity.ts";
import type { LocalLog } from "./local-log.ts";
import type { LearnOthers } from "./membership.ts";
import type { ParticipantRecord } from "./records.ts";
import type { ResourceHost } from "./resource-host.ts";

export type ParticipantDeps = {
  readonly session: ZkSession;
  readonly self: Identity;
  /** What the others are told of it. */
  readonly profile: Omit<ParticipantRecord, "inc" | "rpc" | "state">;
  readonly host: ResourceHost;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly memory: EpochMemory;
  readonly localLog: LocalLog;
  readonly settings: ParticipantSettings;
  /** The state of the cluster is such that this process must not take part in it. */
  readonly halt: (error: DbusError) => void;
  /** For how long, in ms, a promise to others binds us to take nothing new. */
  readonly boundMs: () => number;
  /** Told who else is there, with their addresses, by every look at all of it. */
  readonly learnOthers: LearnOthers;
};

export type ParticipantSettings = {
  /** How long a resource may deliver what is in flight when it is closed. */
  readonly drainMs: number;
  /** Null where the bus says when, by `commit`. */
  readonly commitEveryMs: number | null;
  /** What comes together is looked at together. */
  readonly lookAfterMs: number;
  /** What failed and was opened again has to run for so long until its failures are forgotten. */
  readonly calmAfterMs: number;
  /** Looks at everything so often, for what no watch has told. */
  readonly reconcileEveryMs: number;
  /** After this time a leader takes what has not been given away. */
  readonly closeTimeoutMs: number;
};

/** Does what the leader has decided for this process: opens, closes, commits. */
export type Participant = {
  /** Registers; from then on it takes resources. Throws CLUSTER_DUPLICATE_ID. */
  join(): Promise<void>;
  /** There may be news: a doorbell. */
  poke(): void;
  /** Takes nothing new and gives back what it has; resolves when it has nothing any more. */
  leave(): Promise<void>;
  /** Commits where the resource has come to. Does nothing for one that is not running here. */
  commit(rid: string): Promise<void>;
  /** A resource that was open cannot be read here any more: others are to try. */
  renounce(rid: string, error: DbusError): void;
  readonly owned: readonly string[];
  /** What of it was read, and is not given back with its last commit. */
  readonly unsettled: readonly string[];
  /** Whether we know what is decided: else we may emit what has been taken from us. */
  readonly informed: boolean;
  /** Ends all of it within this turn: the session, or the right to believe in it, is gone. */
  fence(): void;
  pauseAll(): void;
  resumeAll(): void;
  /** Nothing more is done; resources are left as they are. */
  stop(): void;
};

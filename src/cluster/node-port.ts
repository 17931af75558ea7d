import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import type { Clock } from "#src/clock.ts";
import type { DbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import type { LostAnswer, PromiseMemory } from "./agreement.ts";
import type { EpochMemory } from "./identity.ts";
import type { LeaderSettings } from "./leader-settings.ts";
import type { LocalLog } from "./local-log.ts";
import type { Monitor } from "./monitor.ts";
import type { ParticipantSettings } from "./participant-port.ts";
import type { ParticipantRecord, ResourceRecord } from "./records.ts";
import type { ResourceHost } from "./resource-host.ts";

/** What to do while ZooKeeper is gone for longer than the lease. */
export type OnCoordinatorLost = "auto" | "pause" | "continue";

export type NodeSettings = ParticipantSettings &
  LeaderSettings & {
    readonly onCoordinatorLost: OnCoordinatorLost;
    /** For how long who has lost ZooKeeper promises others to take nothing. */
    readonly promiseMs: number;
  };

export type NodeDeps = {
  readonly pid: string;
  readonly rpc: string | null;
  readonly profile: Omit<ParticipantRecord, "inc" | "rpc" | "state">;
  readonly openSession: () => ZkSession;
  /** What has to be there before a session is of use; given up when the signal aborts. */
  readonly beforeJoin?: (signal: AbortSignal) => Promise<void>;
  readonly host: ResourceHost;
  /** What the configuration wants to be read. */
  readonly resources: readonly ResourceRecord[];
  readonly memory: EpochMemory;
  /** Of promises; without one they are forgotten with the process. */
  readonly promised?: PromiseMemory;
  /** Where settled positions go while ZooKeeper does not take them; nowhere unless told. */
  readonly localLog?: LocalLog;
  readonly clock: Clock;
  readonly random: () => number;
  /** A text that no other has; sorted by time if it can be. */
  readonly newId: () => string;
  readonly log: Log;
  readonly settings: NodeSettings;
  readonly ring: (pid: string, rpc: string, gen: number, epoch: number) => void;
  /** Asks another participant whether it has lost ZooKeeper; rejects without an answer in time. */
  readonly askLost: (pid: string, rpc: string) => Promise<LostAnswer>;
  /** Whether the process that was a member at this address has certainly ended. */
  readonly hasEnded: (rpc: string) => Promise<boolean>;
};

/** One process of the cluster: a participant, and a candidate for its leader. */
export type ClusterNode = {
  /** Whether what this process owns may be emitted now: checked before anything goes out. */
  readonly mayEmit: boolean;
  readonly pid: string;
  /** Whether it is a participant now. */
  readonly joined: boolean;
  readonly owned: readonly string[];
  /** The epoch that it leads; null while another does. */
  readonly epoch: number | null;
  /** Why it is no participant, or cannot decide; null while all is well. */
  readonly trouble: DbusError | null;
  /** The session of the membership at hand, to look at the cluster; null while there is none. */
  readonly session: ZkSession | null;
  readonly settings: NodeSettings;
  /** What it sees while it leads. */
  readonly monitor: Monitor;
  /** Other resources than before are wanted. */
  setResources(resources: readonly ResourceRecord[]): void;
  /**
   * Commits where a resource has come to. Throws ACTOR_UNAVAILABLE while there is no membership, and
   * what the session throws; a resource that was given to another is fenced, and nothing thrown.
   */
  commit(rid: string): Promise<void>;
  /** A resource that was open cannot be read here any more: others are to try. */
  renounce(rid: string, error: DbusError): void;
  /** Somebody rings: there may be a decision. */
  doorbell(): void;
  /** Another asks whether we have lost ZooKeeper. */
  lost(): LostAnswer;
  /**
   * Gives everything away and leaves; at the latest after the deadline. Never rejects; answers what
   * was read here and could not be given back with its last commit.
   */
  stop(deadlineMs: number): Promise<readonly string[]>;
  /** Resolves when it has ended, with what a person must mend; undefined after `stop`. */
  readonly ended: Promise<DbusError | undefined>;
};

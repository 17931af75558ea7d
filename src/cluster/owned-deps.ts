import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import type { Clock } from "#src/clock.ts";
import type { Log } from "#src/log.ts";
import type { Identity } from "./identity.ts";
import type { LocalLog } from "./local-log.ts";
import type { AssignRecord } from "./records.ts";
import type { Owned, ResourceHost } from "./resource-host.ts";

export type OwnedDeps = {
  readonly session: ZkSession;
  readonly self: Identity;
  readonly host: ResourceHost;
  readonly clock: Clock;
  readonly owned: Owned;
  /** One that has failed is well again when it has run for so long, and longer after worse. */
  readonly calmAfterMs: number;
  readonly log: Log;
  readonly localLog: LocalLog;
  /** Who owned it last before this assignment, and under which fence. */
  readonly prev: AssignRecord["prev"];
  /**
   * Resolves when no promise to others keeps us from taking something new; false when it has been
   * taken from us by then, and nothing may be opened any more.
   */
  readonly mayOpen: () => Promise<boolean>;
};

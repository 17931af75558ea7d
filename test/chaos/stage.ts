import type { MysqlService } from "../services/index.ts";
import type { FaultProxy } from "../support/fault-proxy.ts";
import type { DaemonKeeper } from "./daemon-keeper.ts";
import type { FillableDisk } from "./fillable-disk.ts";
import type { Journal } from "./journal.ts";
import type { Side } from "./round-plan.ts";

/** A server that can be killed, stopped and started again. */
export type Killable = {
  kill(signal: NodeJS.Signals): void;
  restart(): Promise<void>;
};

/** All that a fault can lay hands on. */
export type Stage = {
  /** One, or the members of a group. */
  readonly daemons: readonly DaemonKeeper[];
  /** Where rows come from, if they do. */
  readonly mysql: MysqlService | undefined;
  readonly servers: Readonly<Partial<Record<Side, Killable | undefined>>>;
  /** In front of the servers. */
  readonly proxies: Readonly<Partial<Record<Side, FaultProxy | undefined>>>;
  /** Under the state of the first dbusd. */
  readonly disk: FillableDisk | undefined;
  readonly journal: Journal;
};

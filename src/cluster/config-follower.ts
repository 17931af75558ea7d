import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import type { Clock } from "#src/clock.ts";
import { problemText } from "#src/config/problem.ts";
import { type DbusError, toDbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import { type ConfigReport, reportConfig } from "./config-report.ts";
import { type ConfigDocument, currentConfig } from "./config-store.ts";
import { createReconciler, type Reconciler } from "./reconciler.ts";

export type FollowerOptions = {
  /** A new session at the cluster's root. */
  readonly openSession: () => ZkSession;
  /** Who reports. */
  readonly pid: string;
  /** The version that runs. */
  readonly first: ConfigDocument;
  /** Takes a version over; rejects when it is refused, and nothing has changed then. */
  readonly apply: (document: ConfigDocument) => Promise<void>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
};

/** Takes over each configuration that is pushed, and tells everybody what became of it. */
export type ConfigFollower = { stop(): Promise<void> };

/** Looks so often for what no watch has told. */
const everyMs = 30_000;

export function followConfig(options: FollowerOptions): ConfigFollower {
  const { pid, clock, random, log } = options;
  let report: ConfigReport = { n: options.first.n, refused: null };
  let session: ZkSession | undefined;
  let reported: string | undefined;
  let stopped = false;
  const news = () => following.poke();
  const following: Reconciler = createReconciler({
    ...{ clock, random, debounceMs: 10, everyMs },
    async run() {
      const own = sessionNow();
      await own.sync("/");
      const document = await currentConfig(own, news);
      if (document && !stopped) await consider(document);
      await say(own);
    },
    onError(error) {
      if (isZk(error, "expired", "closed")) session = undefined;
      else log.warn("the configuration of the cluster cannot be followed", { error });
      return !stopped;
    },
  });
  following.poke();

  function sessionNow(): ZkSession {
    if (session && session.state !== "expired" && session.state !== "closed") return session;
    reported = undefined;
    session = options.openSession();
    return session;
  }

  /** A version that was refused is not tried again: another one comes, or somebody reloads. */
  async function consider(document: ConfigDocument): Promise<void> {
    const { n } = document;
    if (n === report.n || n === report.refused?.n) return;
    try {
      await options.apply(document);
      report = { n, refused: null };
    } catch (thrown) {
      const error = toDbusError(thrown);
      const { code } = error;
      report = { ...report, refused: { n, code, problems: textsOf(error), at: clock.wall() } };
    }
  }

  async function say(own: ZkSession): Promise<void> {
    const text = JSON.stringify(report);
    if (reported === text) return;
    await reportConfig(own, pid, report);
    reported = text;
  }

  return {
    async stop() {
      stopped = true;
      following.stop();
      await session?.close(1_000);
    },
  };
}

function textsOf({ problems, message }: DbusError): string[] {
  return problems ? problems.map(problemText) : [message];
}

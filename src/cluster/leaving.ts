import type { ZkSession, ZkState } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import type { Clock, Timer } from "#src/clock.ts";
import { toDbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import type { Participant } from "./participant-port.ts";

export type LeavingDeps = {
  readonly session: Pick<ZkSession, "state" | "timeoutMs" | "onState">;
  readonly participant: Pick<Participant, "leave">;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * Gives back what a participant owns. A connection that is lost may be back in a moment, and what is
 * asked for goes out then; one that is away for as long as a session lasts has taken the session with
 * it, and there is nothing left to give back to. Never rejects.
 */
export async function giveBack({ session, participant, clock, log }: LeavingDeps): Promise<void> {
  const over = Promise.withResolvers<void>();
  let timer: Timer | undefined;
  const follow = (state: ZkState): void => {
    timer?.cancel();
    if (state === "suspended") timer = clock.after(session.timeoutMs, over.resolve);
    else if (state !== "connected") over.resolve();
  };
  const off = session.onState(follow);
  follow(session.state);
  try {
    await Promise.race([participant.leave(), over.promise]);
  } catch (thrown) {
    if (isZk(thrown, "expired", "closed", "auth_failed")) return;
    log.warn("what is owned cannot be given back", { error: toDbusError(thrown) });
  } finally {
    off();
    timer?.cancel();
  }
}

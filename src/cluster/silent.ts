import type { Clock } from "#src/clock.ts";
import type { ParticipantRecord } from "./records.ts";

/**
 * Who did not do in time what was decided: nothing more is given to it for a while, or whatever it
 * does not claim would be given to it again and again, and what it still has is taken from it.
 */
export type Silent = {
  add(pid: string, participants: Participants): void;
  /** The participants as they are to be seen: one that is silent is as one that drains. */
  heeded(participants: Participants): Participants;
};

type Participants = ReadonlyMap<string, ParticipantRecord>;

export function createSilent(clock: Clock, forMs: number): Silent {
  const silent = new Map<string, { readonly inc: string | undefined; readonly until: number }>();
  return {
    add(pid, participants) {
      silent.set(pid, { inc: participants.get(pid)?.inc, until: clock.now() + forMs });
    },
    heeded(participants) {
      for (const [pid, { inc, until }] of silent) {
        if (participants.get(pid)?.inc !== inc || clock.now() >= until) silent.delete(pid);
      }
      if (silent.size === 0) return participants;
      return new Map(
        [...participants].map(([pid, record]) => {
          return [pid, silent.has(pid) ? { ...record, state: "draining" as const } : record];
        }),
      );
    },
  };
}

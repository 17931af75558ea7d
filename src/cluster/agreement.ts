import { type Clock, sleep } from "#src/clock.ts";

/** What another participant says when it is asked whether it has lost ZooKeeper too. */
export type LostAnswer = {
  readonly lost: boolean;
  /** Everybody that it knows of, itself included: who asks must have asked all of them. */
  readonly known: readonly string[];
};

/**
 * A promise to others who go on without ZooKeeper: until it has run out nothing new is claimed and
 * nothing is decided here, also when ZooKeeper is back before that.
 */
export type Promises = {
  /** Milliseconds until the last promise has run out; 0 when none binds. */
  readonly leftMs: number;
  /** Another asks: the answer, and a promise with it when ZooKeeper is lost here too. */
  asked(lost: boolean, known: readonly string[]): LostAnswer;
  /** The last has run out, and there will be no more. */
  ended(): void;
};

/** Whether one may bind that was given under this name before; kept over restarts. */
export type PromiseMemory = { readonly given: boolean; keep(given: boolean): void };

export function memoryOfPromise(): PromiseMemory {
  let given = false;
  return {
    get given() {
      return given;
    },
    keep(now) {
      given = now;
    },
  };
}

/** Who was killed may have promised just before: that binds whoever is started under its name. */
export function createPromises(clock: Clock, promiseMs: number, memory: PromiseMemory): Promises {
  let until = memory.given ? clock.now() + promiseMs : Number.NEGATIVE_INFINITY;
  return {
    get leftMs() {
      return Math.max(0, until - clock.now());
    },
    asked(lost, known) {
      if (!lost) return { lost, known };
      // Before it is given: one that cannot be kept is none.
      memory.keep(true);
      until = clock.now() + promiseMs;
      return { lost, known };
    },
    ended: () => memory.keep(false),
  };
}

export type AgreementDeps = {
  readonly clock: Clock;
  readonly pid: string;
  /** Those who were participants when ZooKeeper was last there, without this one. */
  readonly others: readonly string[];
  /** Asks one of them; rejects when it does not answer in time. */
  readonly ask: (pid: string) => Promise<LostAnswer>;
  /** For how long an answer binds whoever gives it. */
  readonly promiseMs: number;
};

/**
 * Whether everybody has lost ZooKeeper: then nobody can be made the owner of what we read, and we
 * may go on. One that does not answer, has not lost it, or knows of somebody whom we do not know,
 * is enough to stop; and so is to know of nobody, who could have told of somebody that came
 * meanwhile. Resolves with the time until which that holds, on our clock, or null.
 */
export async function agree(deps: AgreementDeps): Promise<number | null> {
  const { clock, pid, others, ask, promiseMs } = deps;
  if (others.length === 0) return null;
  // Counted from before the first question: whoever answers counts from later.
  const until = clock.now() + (promiseMs * 2) / 3;
  const all = new Set([pid, ...others]);
  const answers = await Promise.all(
    others.map((other) =>
      ask(other).then(
        ({ lost, known }) => lost && known.every((one) => all.has(one)),
        () => false,
      ),
    ),
  );
  return answers.every(Boolean) && clock.now() < until ? until : null;
}

/**
 * Agrees again and again; `holds` is told until when. An agreement only carries on what has not
 * ended: somebody whose right has run out cannot know who was given it since, and must see
 * ZooKeeper first. So it ends at the first gap, and with `signal`.
 */
export async function keepAgreeing(
  deps: AgreementDeps & { readonly stillValid: () => boolean },
  holds: (until: number) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const until = await agree(deps);
    if (signal.aborted || !deps.stillValid()) return;
    if (until !== null) holds(until);
    await sleep(deps.clock, deps.promiseMs / 4, signal);
  }
}

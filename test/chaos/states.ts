import type { Change } from "../support/ledger.ts";
import { waitFor } from "../support/wait-for.ts";
import type { StateSink } from "./sinks.ts";
import type { Stage } from "./stage.ts";
import type { Verdict } from "./verdict.ts";

type Round = { readonly states: readonly StateSink[]; readonly stage: Stage };
type IsExpected = (key: string) => boolean;

/**
 * To read a state whole costs the machine more than dbus needs to write it: not while it changes, and
 * not twice.
 */
export function onceAtRest(
  { size }: Pick<StateSink, "size">,
  look: () => Promise<boolean>,
): () => Promise<boolean> {
  let [seen, read] = [-1, -1];
  return async () => {
    const now = await size();
    const rests = now === seen && now !== read;
    seen = now;
    if (!rests) return false;
    const found = await look();
    read = now;
    return found;
  };
}

/** Until every row is there as it is in MySQL, or the time is up. */
export async function checkStates(
  { states, stage: { journal } }: Round,
  isExpected: IsExpected,
  timeoutMs: number,
): Promise<void> {
  for (const sink of states) {
    let told = "something is still being written";
    const atRest = onceAtRest(sink, async () => {
      told = await sink.difference(isExpected);
      return told === "";
    });
    const complete = async () =>
      journal.problems.some((problem) => problem.includes("ended by itself")) || atRest();
    const what = `every row in ${sink.name}`;
    await waitFor(complete, { what, timeoutMs, intervalMs: 500 }).catch((error: unknown) => {
      journal.problem(`${sink.name} is not complete after ${timeoutMs} ms: ${told}`);
      journal.note(`${error}`);
    });
  }
}

/**
 * After the stop the rows are still what they were: nothing that came late has taken one back. A
 * state does not tell what came twice.
 */
export async function stateVerdicts(
  { states, stage: { journal } }: Round,
  isExpected: IsExpected,
  committed: readonly Change[],
): Promise<readonly Verdict[]> {
  const expected = committed.filter(({ key }) => isExpected(key)).length;
  return Promise.all(
    states.map(async (sink) => {
      const difference = await sink.difference(isExpected);
      const problems = difference === "" ? [] : [`${sink.name}: ${difference}`];
      for (const problem of problems) journal.problem(problem);
      const wrong = { lost: problems.length, corrupted: 0, reordered: 0, duplicated: 0 };
      return { output: sink.name, committed: expected, ...wrong, runs: [], problems };
    }),
  );
}

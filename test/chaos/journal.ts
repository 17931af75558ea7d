import { appendFileSync } from "node:fs";
import { join } from "node:path";

/** What happened in a round and when, in its folder and in memory. */
export type Journal = {
  note(what: string): void;
  /** Something that must not be. */
  problem(what: string): void;
  readonly problems: readonly string[];
};

export function openJournal(dir: string): Journal {
  const began = performance.now();
  const problems: string[] = [];
  const note = (what: string) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(3);
    appendFileSync(join(dir, "round.log"), `${seconds} ${new Date().toISOString()} ${what}\n`);
  };
  return {
    note,
    problems,
    problem(what) {
      problems.push(what);
      note(`PROBLEM: ${what}`);
    },
  };
}

// test-timeout: 15m
import { expect, test } from "bun:test";
import { progress } from "../services/progress.ts";
import { shortPlan } from "../soak/plan.ts";
import { answerMsMax, runSoak } from "../soak/soak.ts";
import { testSeed } from "../support/random.ts";

/*
 * The short form of `bun run soak`: real servers, a slow output, a blocked one, a burst, a backlog,
 * large transactions and rows. The long form, with 2 million rows, 2 GB and 64 MB, is run by hand.
 */
test("whatever comes, memory stays below the bound of the config (faults 23, 94)", async () => {
  const say = (text: string) => progress(`soak: ${text}`);
  const results = await runSoak({ plan: shortPlan, seed: testSeed("soak"), say });
  expect(results.map(({ phase }) => phase)).toHaveLength(8);
  for (const { phase, problems, lost, peakMib, boundMib, slowestAnswerMs } of results) {
    expect([phase, lost, problems]).toEqual([phase, 0, []]);
    expect(peakMib).toBeLessThan(boundMib);
    expect(slowestAnswerMs).toBeLessThan(answerMsMax);
  }
}, 300_000);

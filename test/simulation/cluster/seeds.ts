import { type MoodName, runScenario } from "./scenario.ts";

// Runs seeds until one goes wrong: `seeds.ts FIRST COUNT [MOOD]`. Prints `ok COUNT`, or
// `SEED WHAT` and exits with 1.
const [first = 1, count = 1] = process.argv.slice(2, 4).map(Number);
const mood = process.argv[4] as MoodName | "" | undefined;
for (let seed = first; seed < first + count; seed++) {
  const { wrong } = await runScenario(seed, mood ? { mood } : {});
  if (wrong === undefined) continue;
  process.stdout.write(`${seed} ${wrong}\n`);
  process.exit(1);
}
process.stdout.write(`ok ${count}\n`);
process.exit(0);

import { runScenario } from "./scenario.ts";

// Runs seeds until one goes wrong: `seeds.ts FIRST COUNT`. Prints `ok COUNT` or `SEED WHAT`.
const [first = 1, count = 1] = process.argv.slice(2).map(Number);
for (let seed = first; seed < first + count; seed++) {
  const { wrong } = await runScenario(seed);
  if (wrong === undefined) continue;
  process.stdout.write(`${seed} ${wrong}\n`);
  process.exit(1);
}
process.stdout.write(`ok ${count}\n`);
process.exit(0);

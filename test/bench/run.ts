import { parseArgs } from "node:util";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import { benches } from "./benches.ts";
import { jsonOf, type Report, tableOf } from "./result.ts";

const usage = `bun run bench NAME [options]

${benches.map((bench) => `  ${bench.name.padEnd(14)}${bench.summary}`).join("\n")}

  --json         one JSON object on standard output and nothing else there
  --peer NAME    run a peer beside it, may be given more than once: ${peersOf(benches)}
  --peers-only   leave dbus itself out
  --seconds N    how long a case without an end of its own runs
  --rows N       how many rows the workload has
  --help         this text

What was measured, how and on what: docs/benchmarks.md
`;

function peersOf(all: readonly Bench[]): string {
  return all
    .filter((bench) => bench.peers.length > 0)
    .map((bench) => `${bench.peers.join(", ")} (${bench.name})`)
    .join(", ");
}

/** Ends the process with a usage error: exit code 2, as command lines have it. */
function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${usage}`);
  process.exit(2);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        peer: { type: "string", multiple: true, default: [] },
        "peers-only": { type: "boolean", default: false },
        seconds: { type: "string" },
        rows: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function positive(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0)) refuse(`--${name} takes a number above 0, not ${text}`);
  return value;
}

const { values, positionals } = parse(process.argv.slice(2));
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const bench = benches.find(({ name }) => name === positionals[0]);
if (bench === undefined || positionals.length !== 1) {
  refuse(
    positionals.length === 0 ? "name a bench" : `there is no bench called ${positionals.join(" ")}`,
  );
}
for (const peer of values.peer) {
  if (!bench.peers.includes(peer)) refuse(`${bench.name} has no peer called ${peer}`);
}
const options: BenchOptions = {
  seconds: positive("seconds", values.seconds, bench.defaults.seconds),
  rows: Math.floor(positive("rows", values.rows, bench.defaults.rows)),
  peers: values.peer,
  peersOnly: values["peers-only"],
};
try {
  const report: Report = { bench: bench.name, results: await bench.run(options) };
  process.stdout.write(`${values.json ? jsonOf(report) : tableOf(report)}\n`);
  process.exit(0);
} catch (error) {
  say(`${bench.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  process.exit(1);
}

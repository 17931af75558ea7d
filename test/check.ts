import { join } from "node:path";
import { parseArgs } from "node:util";

const help = `Checks the sources: types, lint, format, import and house rules, unit tests, in that order.

  bun run check            stops at the first step that fails and shows what it said
  bun run check --fix      lets the linter and formatter repair what they can, then checks
  bun run check --help     this text
`;

const root = join(import.meta.dir, "..");
// The tools' own start scripts ask for Node by name, which a machine with Bun alone has not.
const bin = (name: string): string[] => [process.execPath, "--bun", `node_modules/.bin/${name}`];

const steps: ReadonlyArray<readonly [what: string, argv: readonly string[]]> = [
  ["types", [...bin("tsc"), "--noEmit", "-p", "."]],
  ["lint", [...bin("biome"), "lint", "--error-on-warnings"]],
  ["format", [...bin("biome"), "format"]],
  ["house rules", [process.execPath, "test", "./test/tidy.test.ts"]],
  ["unit tests", [process.execPath, "test/run.ts", "unit"]],
];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { fix: { type: "boolean" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (values.fix === true) await run([...bin("biome"), "check", "--write"]);
  const started = Date.now();
  for (const [what, argv] of steps) {
    const since = Date.now();
    const { code, output } = await run(argv);
    const seconds = ((Date.now() - since) / 1000).toFixed(1);
    process.stdout.write(`${code === 0 ? "ok  " : "FAIL"} ${what} (${seconds} s)\n`);
    if (code === 0) continue;
    const shown = argv.slice(1).join(" ").replace("--bun ", "");
    process.stdout.write(`\n${output.trim()}\n\nrun it alone: bun ${shown}\n`);
    return 1;
  }
  process.stdout.write(
    `all ${steps.length} ok (${((Date.now() - started) / 1000).toFixed(1)} s)\n`,
  );
  return 0;
}

async function run(argv: readonly string[]): Promise<{ code: number; output: string }> {
  const merged = ["sh", "-c", 'exec "$@" 2>&1', "sh", ...argv];
  // A tenth of the random topologies that the tests look at: this is run before every commit.
  const env = { DBUS_TOPOLOGIES: "1000", ...process.env };
  const child = Bun.spawn(merged, { cwd: root, env, stdin: "ignore", stdout: "pipe" });
  const output = await new Response(child.stdout).text();
  return { code: await child.exited, output };
}

process.exitCode = await main();

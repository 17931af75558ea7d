import { basename } from "node:path";

/**
 * The collector sizes its heap by the machine's memory, so a bus that keeps 50 MB alive lets
 * garbage pile up to three times that. Told of a small machine it collects sooner: 225 MB instead
 * of 340 from MySQL to Kafka, for 3 to 5 percent more processor time (docs/benchmarks.md). It is no
 * limit: a larger heap is collected more often, never refused.
 */
const RAM_BYTES = 384 * 1024 * 1024;
const OPTION = "BUN_JSC_forceRAMSize";

/** What starts the daemon, as the runtime sees it: the source, or the compiled binary. */
const entry = Bun.main;
const compiled = entry.startsWith("/$bunfs/");
const isDaemon = compiled
  ? basename(process.argv0) !== "dbc" && process.argv[2] !== "dbc"
  : basename(entry) === "dbusd.ts";

// The option is read once, at the start of the runtime: the process becomes itself again with it.
// Pid, streams and signals stay. Whoever sets the option has decided for himself.
if (isDaemon && process.platform === "linux" && process.env[OPTION] === undefined) {
  const args = compiled ? process.argv.slice(2) : [...process.execArgv, ...process.argv.slice(1)];
  const env = { ...process.env, [OPTION]: String(RAM_BYTES) } as Record<string, string>;
  process.execve?.(process.execPath, [process.argv0, ...args], env);
}
// Programs that an input starts have heaps of their own.
if (isDaemon && process.env[OPTION] === String(RAM_BYTES)) delete process.env[OPTION];

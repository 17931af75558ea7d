/**
 * Runs the daemon's whole engine (supervision, ledger, credit, counters, SQLite checkpoints) on a
 * config and counts what its first output has written over some seconds, after one second to warm
 * up. Prints `{"packets":…,"seconds":…}`.
 */
import { builtins } from "#plugins/index.ts";
import { requireConfig } from "#src/config/load.ts";
import { silentLog } from "#src/log.ts";
import { startDaemon } from "#src/main.ts";
import { createRegistry } from "#src/plugin/registry.ts";

const [file = "", seconds = "1"] = process.argv.slice(2);
const config = await requireConfig(file, { registry: createRegistry(builtins) });
const daemon = await startDaemon(config, { log: silentLog });
const written = () => daemon.admin.stat().outputs[0]?.packets ?? 0;

await Bun.sleep(1_000);
const from = { packets: written(), at: performance.now() };
await Bun.sleep(Number(seconds) * 1000);
const to = { packets: written(), at: performance.now() };
const result = { packets: to.packets - from.packets, seconds: (to.at - from.at) / 1000 };
process.stdout.write(`${JSON.stringify(result)}\n`);
await daemon.stop("the bench is over");
process.exit(0);

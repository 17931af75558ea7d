// First of all, before anything is loaded that would be loaded twice.
import "./small-heap.ts";
import { basename } from "node:path";

/**
 * The one binary. It is dbc when it is called so (a link or copy of that name) or when its first
 * word says so, and dbusd otherwise; the other of the two is not loaded.
 */
async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  const [first, ...rest] = argv;
  const isDbc = basename(process.argv0).replace(/\.exe$/, "") === "dbc";
  const program =
    isDbc || first === "dbc" ? await import("./dbc.ts") : await import("./run-dbusd.ts");
  await program.main(!isDbc && (first === "dbc" || first === "dbusd") ? rest : argv);
}

await main();

// First of all, before anything is loaded that would be loaded twice.
import "./small-heap.ts";
import { basename } from "node:path";
import { main as dbc } from "./dbc.ts";
import { main as dbusd } from "./run-dbusd.ts";

/**
 * The one binary. It is dbc when it is called so (a link or copy of that name) or when its first
 * word says so, and dbusd otherwise.
 */
async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  if (basename(process.argv0).replace(/\.exe$/, "") === "dbc") {
    await dbc(process.argv.slice(2));
  } else if (first === "dbc") await dbc(rest);
  else await dbusd(first === "dbusd" ? rest : process.argv.slice(2));
}

await main();

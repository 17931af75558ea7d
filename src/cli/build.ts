import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");

const program = "src/cli/dbus.ts";
/** Each runs as a thread of its own, which the program starts by its name. */
const threads = [
  "src/watchdog/watchdog-worker.ts",
  "src/clients/zookeeper/worker/zookeeper-worker.ts",
];
/** That library reads its code from a file beside it; it brings a copy with the code inside, too. */
const wasmInside: Bun.BunPlugin = {
  name: "wasm inside",
  setup(build) {
    const path = join(root, "node_modules/@platformatic/wasm-utils/dist/bundled.js");
    build.onResolve({ filter: /^@platformatic\/wasm-utils$/ }, () => ({ path }));
  },
};

/**
 * `bun run build [FOLDER]`: one binary `dbus`, with the runtime, the plugins and the example inside,
 * and the links `dbusd` and `dbc` to it.
 */
async function build(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const binary = join(folder, "dbus");
  await Bun.build({
    entrypoints: [program, ...threads].map((path) => join(root, path)),
    compile: { outfile: binary },
    plugins: [wasmInside],
    // What a plugin needs is a piece of its own, which is read when a configuration names it.
    splitting: true,
    minify: { whitespace: true, syntax: true },
    sourcemap: "inline",
  });
  // The binary has it inside; traces name the sources without the file.
  rmSync(`${binary}.map`, { force: true });
  for (const name of ["dbusd", "dbc"]) {
    rmSync(join(folder, name), { force: true });
    symlinkSync("dbus", join(folder, name));
  }
  const size = (Bun.file(binary).size / 1024 / 1024).toFixed(0);
  process.stdout.write(`${binary} (${size} MiB), with the links dbusd and dbc beside it\n`);
}

await build(process.argv[2] ?? join(root, "dist"));

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Mutant, mutants } from "./mutants.ts";

/** The files that a mutant changes, with what becomes of them. */
export function mutated({ name, edits }: Mutant): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const { file, find, put } of edits) {
    const path = join(import.meta.dir, "../../../src/cluster", file);
    const text = files.get(path) ?? readFileSync(path, "utf8");
    if (!text.includes(find)) throw new Error(`${name}: ${file} has nothing to change any more`);
    files.set(path, text.replaceAll(find, put));
  }
  return files;
}

// Loaded before everything else of a process of its own: the files that the mutant names are
// changed as they are loaded, and nothing on disk is.
const wanted = mutants.find(({ name }) => name === process.env.DBUS_MUTANT);
if (!wanted) throw new Error(`there is no mutant ${process.env.DBUS_MUTANT}`);
const files = mutated(wanted);

Bun.plugin({
  name: "mutant",
  setup(build) {
    build.onLoad({ filter: /\/src\/cluster\/.*\.ts$/ }, ({ path }) => ({
      contents: files.get(path) ?? readFileSync(path, "utf8"),
      loader: "ts",
    }));
  },
});

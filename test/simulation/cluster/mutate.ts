import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mutants } from "./mutants.ts";

// Loaded before everything else of a process of its own: the file that the mutant names is changed
// as it is loaded, and nothing on disk is.
const wanted = mutants.find(({ name }) => name === process.env.DBUS_MUTANT);
if (!wanted) throw new Error(`there is no mutant ${process.env.DBUS_MUTANT}`);
const path = join(import.meta.dir, "../../../src/cluster", wanted.file);
const text = readFileSync(path, "utf8");
if (!text.includes(wanted.find)) throw new Error(`${wanted.file} has nothing to change any more`);
const contents = text.replace(wanted.find, wanted.put);

Bun.plugin({
  name: "mutant",
  setup(build) {
    build.onLoad(
      { filter: new RegExp(`/src/cluster/${wanted.file.replace(".", "\\.")}$`) },
      () => ({
        contents,
        loader: "ts",
      }),
    );
  },
});

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DbusError, toDbusError } from "../errors.ts";
import { exitCodeOf } from "./exit-code.ts";
import { filesOf, isKind, type NewPlugin, withBuiltin } from "./plugin-templates.ts";
import { errorText } from "./text.ts";

const help = `Begins a plugin: its file, its test, a sample, and its line in plugins/index.ts.

usage: bun run new:plugin input|filter|output NAME     NAME in kebab-case, e.g. redis-stream
`;

/** Makes the files below `root`; never writes over one. Throws `USAGE`. */
function createPlugin(root: string, plugin: NewPlugin): readonly string[] {
  const files = filesOf(plugin);
  const there = files.find(({ path }) => existsSync(join(root, path)));
  if (there) {
    throw new DbusError("USAGE", `${there.path} is there already`, { remedy: "take another name" });
  }
  const index = join(root, "plugins/index.ts");
  const list = withBuiltin(readFileSync(index, "utf8"), plugin);
  for (const { path, text } of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  writeFileSync(index, list);
  return [...files.map(({ path }) => path), "plugins/index.ts"];
}

export function runNewPlugin(argv: readonly string[], root: string): string {
  const [kind = "", name = "", ...rest] = argv;
  if (argv.includes("--help") || argv.includes("-h")) return help;
  if (!isKind(kind) || rest.length > 0 || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new DbusError("USAGE", "it wants a kind and a name in kebab-case", {
      remedy: "e.g. bun run new:plugin output redis-stream",
    });
  }
  const written = createPlugin(root, { kind, name });
  const list = written.map((path) => `  ${path}`).join("\n");
  const test = written.find((path) => path.startsWith("test/"));
  return `Written:\n${list}\n\nNext: bun test ./${test}, and bun run docs for its page.\n`;
}

function main(): void {
  try {
    process.stdout.write(runNewPlugin(process.argv.slice(2), join(import.meta.dir, "..", "..")));
  } catch (thrown) {
    process.stderr.write(errorText("new:plugin", thrown));
    process.exitCode = exitCodeOf(toDbusError(thrown));
  }
}

if (import.meta.main) main();

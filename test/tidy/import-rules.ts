import { dirname, join } from "node:path";
import type { Rule, SourceFile } from "./source-file.ts";

/** Packages that talk to a server. Each hides behind a port of src/clients. */
const drivers =
  /^(mysql2|kafkajs|@platformatic\/kafka|@elastic\/|node-zookeeper-client|zookeeper$)/;

const aliases: Readonly<Record<string, string>> = {
  "#src/": "src/",
  "#actors/": "actors/",
  "#plugins/": "plugins/",
};

/** One import as the rules see it: a path from the top folder, or the name of a package. */
type Import = {
  readonly line: number;
  readonly from: string;
  readonly path: string | undefined;
  readonly typeOnly: boolean;
};

/** Who may import whom, as docs/architecture.md tells with the reasons. */
export const importRules: Rule = {
  name: "import rules",
  check: (file) =>
    importsOf(file).flatMap((target) => {
      const why = refusal(file.path, target);
      return why === undefined ? [] : [`line ${target.line}: imports ${target.from}: ${why}`];
    }),
};

function refusal(path: string, target: Import): string | undefined {
  const { from, path: to } = target;
  // Its subject is import statements, in strings.
  if (path === "test/tidy.test.ts") return undefined;
  if (from.startsWith(".") && !/\.[a-z0-9]+$/.test(from)) return "a path names its extension";
  return to === undefined ? packageRefusal(path, from) : sourceRefusal(path, to, target.typeOnly);
}

function packageRefusal(path: string, name: string): string | undefined {
  if (
    drivers.test(name) &&
    !/^(src\/clients|test\/(integration|bench|soak|support|clients))\//.test(path)
  ) {
    return "a driver package is imported in src/clients only";
  }
  const api = /^(src\/api|src\/cluster\/rpc|plugins\/input\/http|test)\//;
  if (name.startsWith("hono") && !api.test(path)) {
    return "Hono is for src/api, src/cluster/rpc and HttpInput";
  }
  if (name === "bun:test" && !path.startsWith("test/")) return "tests live under test";
  const kernel = /^src\/(actor|flow)\//;
  const builtin = name.startsWith("node:") || name.startsWith("bun:") || name === "bun";
  if (kernel.test(path) && !builtin) return "the kernel depends on no package";
  return undefined;
}

function sourceRefusal(path: string, to: string, typeOnly: boolean): string | undefined {
  if (path.startsWith("test/") || to === "package.json") return undefined;
  if (to.startsWith("test/")) return "only tests import test";
  if (path.startsWith("src/")) return fromSrc(path, to, typeOnly);
  if (path.startsWith("actors/")) return fromActors(path, to);
  return fromPlugins(path, to);
}

/** What is true without an actor knows none; src/main.ts alone sees all three layers. */
function fromSrc(path: string, to: string, typeOnly: boolean): string | undefined {
  if (!to.startsWith("src/")) {
    return /^src\/(main|cli\/.*)\.ts$/.test(path)
      ? undefined
      : "src knows no actors and no plugins";
  }
  const kernel = /^src\/(actor|flow)\//.exec(path);
  if (kernel !== null && !to.startsWith(kernel[0]) && !kernelMayUse(path, to, typeOnly)) {
    return "actor and flow import assert, errors and clock, and nothing else of src";
  }
  if (path.startsWith("src/clients/") && /^src\/(cluster|checkpoint|api)\//.test(to)) {
    return "clients never import cluster, checkpoint or api";
  }
  return undefined;
}

/** The flow stands on the actor kernel; it names the types of the ports, but no store itself. */
function kernelMayUse(path: string, to: string, typeOnly: boolean): boolean {
  if (/^src\/(assert|errors|clock)\.ts$/.test(to)) return true;
  return path.startsWith("src/flow/") && (to.startsWith("src/actor/") || typeOnly);
}

function fromActors(path: string, to: string): string | undefined {
  if (to.startsWith("plugins/")) return "actors get plugins from the registry";
  const actor = /^actors\/.*-actor\.ts$/;
  return actor.test(path) && actor.test(to) ? "an actor never imports another one" : undefined;
}

/** A plugin is a leaf: the SDK, the drivers, the formats, zod, and its own folder. */
function fromPlugins(path: string, to: string): string | undefined {
  if (path === "plugins/index.ts" || dirname(to).startsWith(dirname(path))) return undefined;
  const sdk = to === "src/plugin/index.ts" || to.startsWith("src/clients/");
  const format = to.startsWith("src/format/");
  if (sdk || format) return undefined;
  return to.startsWith("plugins/")
    ? "plugins never import one another"
    : "plugins import #plugin, #src/clients and #src/format";
}

const statement =
  /^(?:import|export)\s[^;"']*?from\s*["']([^"']+)["']|^import\s*["']([^"']+)["']/gm;
const dynamic = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** Reads imports from the text itself: the blanked code has no strings left. */
function importsOf(file: SourceFile): Import[] {
  return [...file.text.matchAll(statement), ...file.text.matchAll(dynamic)].map((found) => {
    const from = found[1] ?? found[2] ?? "";
    const line = file.text.slice(0, found.index).split("\n").length;
    const typeOnly = /^(?:import|export) type\b/.test(found[0]);
    return { line, from, path: pathOf(file.path, from), typeOnly };
  });
}

function pathOf(importer: string, from: string): string | undefined {
  if (from === "#plugin") return "src/plugin/index.ts";
  if (from.startsWith(".")) return join(dirname(importer), from);
  const alias = Object.keys(aliases).find((start) => from.startsWith(start));
  return alias === undefined ? undefined : `${aliases[alias]}${from.slice(alias.length)}`;
}

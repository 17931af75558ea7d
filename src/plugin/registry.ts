import { readFileSync, realpathSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import * as zod from "zod";
import { DbusError } from "../errors.ts";
import { type Builtin, loadBuiltin, loadOf, onlyPlugin, type PluginModule } from "./builtin.ts";
import type { Plugin } from "./define.ts";
import * as sdk from "./index.ts";

export type PluginKind = Plugin["kind"];

/** What configs may name: the builtins, and TypeScript files beside the config. */
export type Registry = {
  /** All that dbus brings along, loaded for the pages that show them. Throws `PLUGIN_LOAD`. */
  builtins(): Promise<readonly Plugin[]>;
  names(kind: PluginKind): readonly string[];
  /**
   * The plugin of that name or path. Throws `PLUGIN_UNKNOWN` for a name that is not there or is of
   * another kind, `PLUGIN_LOAD` for a file that cannot be loaded, or may not be.
   */
  find(kind: PluginKind, written: string, configFile: string): Promise<Plugin>;
};

export function createRegistry(builtins: readonly Builtin[]): Registry {
  const byName = new Map(builtins.map((one) => [one.name, one]));
  if (byName.size < builtins.length) {
    throw new DbusError("PLUGIN_LOAD", "two builtin plugins have one name");
  }
  const builtin = (name: string) => {
    const one = byName.get(name);
    return one && loadBuiltin(one);
  };
  return {
    builtins: () => Promise.all(builtins.map(loadBuiltin)),
    names: (kind) => builtins.filter((one) => one.kind === kind).map((one) => one.name),
    async find(kind, written, configFile) {
      const file = /^\.{1,2}\//.test(written);
      const plugin = await (file ? loadFile(written, configFile) : builtin(written));
      if (plugin === undefined) {
        throw new DbusError("PLUGIN_UNKNOWN", `there is no plugin ${written}`);
      }
      if (plugin.kind !== kind) {
        const remedy = `name it under ${plugin.kind}s, or take another plugin`;
        const message = `${written} is an ${plugin.kind}, not an ${kind}`.replace("an f", "a f");
        throw new DbusError("PLUGIN_UNKNOWN", message, { remedy });
      }
      return plugin;
    },
  };
}

/**
 * Loads a user's file. Only from the tree of folders that the config file is in, links resolved
 * (S15): who may write there may already say what runs.
 */
async function loadFile(written: string, configFile: string): Promise<Plugin> {
  const module = await loadModule(written, configFile);
  const plugin = onlyPlugin(module, written);
  files.set(plugin, allowedPath(written, configFile));
  return plugin;
}

/** The content under which a file was imported first: the runtime keeps a module for each path. */
const firstContents = new Map<string, string>();

/**
 * What a user's file exports; `content` as of `contentOf`, and it is read anew for another one.
 * Throws `PLUGIN_LOAD`.
 */
export async function loadModule(
  written: string,
  configFile: string,
  content?: string,
): Promise<PluginModule> {
  const path = allowedPath(written, configFile);
  provideSdk();
  const first = firstContents.get(path) ?? content;
  if (first !== undefined) firstContents.set(path, first);
  return loadOf(written, () => import(content === first ? path : `${path}?content=${content}`));
}

/**
 * What tells one content of a user's file from another. Undefined for a file that is not there or may
 * not be read: loading it says why. Throws `PLUGIN_LOAD` for one that is no TypeScript.
 */
export function contentOf(written: string, configFile: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(allowedPath(written, configFile), "utf8");
  } catch {
    return undefined;
  }
  try {
    new Bun.Transpiler({ loader: "ts" }).scan(text);
  } catch (error) {
    const [first] = error instanceof AggregateError ? error.errors : [error];
    const why = first instanceof Error ? first.message : String(first?.message ?? first);
    throw new DbusError("PLUGIN_LOAD", `${written} cannot be loaded: ${why}`, { cause: error });
  }
  return Bun.hash(text).toString(16);
}

/** Where the plugins of users' own files come from. */
const files = new WeakMap<Plugin, string>();

/** The file that a plugin was loaded from; undefined for a builtin one. */
export function fileOfPlugin(plugin: Plugin): string | undefined {
  return files.get(plugin);
}

function allowedPath(written: string, configFile: string): string {
  let folder: string;
  let path: string;
  try {
    folder = realpathSync(dirname(resolve(configFile)));
    path = realpathSync(resolve(folder, written));
  } catch {
    throw new DbusError("PLUGIN_LOAD", `the file ${written} is not there`);
  }
  const inside = path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
  if (!inside || !/\.(ts|js|mjs)$/.test(path)) {
    throw new DbusError("PLUGIN_LOAD", `the file ${written} may not be loaded`, {
      remedy: "put the .ts file into the folder of the config file, or below it",
    });
  }
  return path;
}

let provided = false;

/** A user's file stands outside this package: gives it `#plugin` and `zod`, in the binary too. */
function provideSdk(): void {
  if (provided) return;
  provided = true;
  Bun.plugin({
    name: "dbus-sdk",
    setup(build) {
      build.module("#plugin", () => ({ exports: { ...sdk }, loader: "object" }));
      build.module("zod", () => ({ exports: { ...zod }, loader: "object" }));
    },
  });
}

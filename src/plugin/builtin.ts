import { DbusError, toDbusError } from "../errors.ts";
import type { Plugin } from "./define.ts";

/** What a plugin's file exports. */
export type PluginModule = Readonly<Record<string, unknown>>;

/**
 * A plugin that dbus brings along. Its file is loaded when a configuration names it: with what it
 * needs of drivers, formats and schemas, the plugins that one does not use took a tenth of the memory.
 */
export type Builtin = {
  readonly kind: Plugin["kind"];
  readonly name: string;
  load(): Promise<PluginModule>;
};

/** Throws `PLUGIN_LOAD` when the file cannot be loaded, or holds something else. */
export async function loadBuiltin({ kind, name, load }: Builtin): Promise<Plugin> {
  const plugin = onlyPlugin(await loadOf(name, load), name);
  if (plugin.kind === kind && plugin.name === name) return plugin;
  const message = `the ${kind} ${name} is the ${plugin.kind} ${plugin.name} in its file`;
  throw new DbusError("PLUGIN_LOAD", message);
}

/** What `load` gives. Throws `PLUGIN_LOAD` when it cannot, and says why. */
export async function loadOf(
  written: string,
  load: () => Promise<PluginModule>,
): Promise<PluginModule> {
  try {
    return await load();
  } catch (error) {
    const message = `${written} cannot be loaded: ${toDbusError(error).message}`;
    throw new DbusError("PLUGIN_LOAD", message, { cause: error });
  }
}

/** The one plugin that a file exports. Throws `PLUGIN_LOAD` when there is none, or several. */
export function onlyPlugin(module: PluginModule, written: string): Plugin {
  const plugins = [...new Set(Object.values(module))].filter(isPlugin);
  const [plugin] = plugins;
  if (plugin && plugins.length === 1) return plugin;
  throw new DbusError("PLUGIN_LOAD", `${written} exports ${plugins.length} plugins instead of one`);
}

function isPlugin(value: unknown): value is Plugin {
  if (value === null || typeof value !== "object") return false;
  const { kind, name, configSchema, open } = value as Partial<Plugin>;
  return (
    (kind === "input" || kind === "filter" || kind === "output") &&
    typeof name === "string" &&
    typeof configSchema?.safeParse === "function" &&
    typeof open === "function"
  );
}

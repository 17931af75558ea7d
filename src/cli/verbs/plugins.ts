import { builtins } from "#plugins/index.ts";
import { entryJsonSchema } from "../../config/entries.ts";
import type { JsonSchema } from "../../config/json-schema.ts";
import { meant } from "../../config/nearest.ts";
import { DbusError } from "../../errors.ts";
import { loadBuiltin } from "../../plugin/builtin.ts";
import type { Plugin } from "../../plugin/define.ts";
import { createRegistry } from "../../plugin/registry.ts";
import { fieldsOf } from "../plugin-fields.ts";
import { tableText } from "../text.ts";
import { show, usageError, type Verb } from "../verb.ts";

type Running = { readonly name: string; readonly plugin: string };

export const pluginsVerb: Verb = {
  name: "plugins",
  summary: "the plugins that configs may name; with a name, its fields",
  usage: ["plugins [NAME]"],
  async run(context) {
    const [name, ...rest] = context.args;
    if (rest.length > 0) throw usageError("it wants one name at most", "plugins [NAME]");
    if (name !== undefined) {
      const plugin = await pluginOf(name);
      const schema = entryJsonSchema(plugin.kind, plugin);
      show(context, { name, kind: plugin.kind, schema }, () => fieldsText(plugin, schema));
      return 0;
    }
    // The list is worth having without a daemon; with one it also tells who uses what.
    const running = await context.client
      .get<readonly Running[]>("/api/v1/plugins")
      .catch((): readonly Running[] => []);
    const all = await createRegistry(builtins).builtins();
    const rows = all.map((plugin) => ({
      name: plugin.name,
      kind: plugin.kind,
      summary: plugin.summary,
      usedBy: running.filter((one) => one.plugin === plugin.name).map((one) => one.name),
    }));
    show(context, rows, () =>
      tableText(
        ["PLUGIN", "KIND", "USED BY", "WHAT IT DOES"],
        rows.map((row) => [row.name, row.kind, row.usedBy.join(", ") || null, row.summary]),
      ),
    );
    return 0;
  },
};

async function pluginOf(name: string): Promise<Plugin> {
  const plugin = builtins.find((one) => one.name === name);
  if (plugin) return loadBuiltin(plugin);
  const names = builtins.map((one) => one.name);
  throw new DbusError("PLUGIN_UNKNOWN", `there is no plugin ${name}`, {
    remedy: meant(name, names, "plugins"),
  });
}

function fieldsText(plugin: Plugin, schema: JsonSchema): string {
  const rows = fieldsOf(schema).map((field) => [
    field.name,
    field.type,
    field.required ? "required" : field.fallback,
    field.description,
  ]);
  const header = ["FIELD", "TYPE", "DEFAULT", "WHAT IT IS"];
  return `${plugin.name} (${plugin.kind}): ${plugin.summary}\n\n${tableText(header, rows)}`;
}

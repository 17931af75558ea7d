import { entryJsonSchema } from "../config/entries.ts";
import { jsonSchemaOf } from "../config/json-schema.ts";
import { type EntryKind, entrySchemas } from "../config/schema.ts";
import { wholeJsonSchema } from "../config/whole-schema.ts";
import { errorTable } from "../errors.ts";
import type { Plugin } from "../plugin/define.ts";
import { exitCodesText } from "./exit-code.ts";
import { type Field, fieldsOf } from "./plugin-fields.ts";

/** A page of the documentation that is made from the sources: its path and its whole text. */
export type Page = { readonly path: string; readonly text: string };

export type Sample = { readonly path: string; readonly text: string };

const made = "<!-- Made by `bun run docs`; a test says when it is out of date. -->";

/** One page a plugin, one that lists them, the errors, and the schema that the samples name. */
export function pagesOf(plugins: readonly Plugin[], samples: readonly Sample[]): readonly Page[] {
  const schema = wholeJsonSchema(plugins);
  return [
    ...plugins.map((plugin) => pluginPage(plugin, samples)),
    listPage(plugins),
    { path: "docs/errors.md", text: errorsText() },
    { path: "etc/schema.json", text: `${JSON.stringify(schema, null, 2)}\n` },
  ];
}

function pluginPage(plugin: Plugin, samples: readonly Sample[]): Page {
  const common = new Set(Object.keys(entrySchemas[plugin.kind].shape));
  const fields = fieldsOf(entryJsonSchema(plugin.kind, plugin));
  const own = fields.filter(({ name }) => !common.has(name.split(".")[0] ?? ""));
  const used = samples.filter(({ text }) => new RegExp(`plugin: ${plugin.name}\\b`).test(text));
  const samplesText = used.map(({ path }) => `- [${path}](../../${path})`).join("\n");
  const text = `${made}

# ${plugin.name}

${plugin.summary.replace(/\.?$/, ".")}

It is an ${plugin.kind}; what every ${plugin.kind} has beside these fields is on [the list of
plugins](README.md#every-${plugin.kind}).

## Fields

${own.length === 0 ? "It has none of its own." : fieldTable(own)}
${used.length === 0 ? "" : `\n## Samples\n\n${samplesText}\n`}`.replace("an filter", "a filter");
  return { path: `docs/plugins/${plugin.name}.md`, text };
}

const kinds: readonly EntryKind[] = ["input", "filter", "output"];

function listPage(plugins: readonly Plugin[]): Page {
  const parts = kinds.map((kind) => {
    const lines = plugins
      .filter((plugin) => plugin.kind === kind)
      .map(({ name, summary }) => `- [${name}](${name}.md): ${summary}`);
    const fields = fieldsOf(jsonSchemaOf(entrySchemas[kind]));
    return `## ${kind[0]?.toUpperCase()}${kind.slice(1)}s

${lines.join("\n")}

### Every ${kind}

${fieldTable(fields)}
`;
  });
  const text = `${made}

# Plugins

An entry of a configuration names a plugin and holds its fields beside those that all of its kind
have. \`dbc plugins\` prints this list, \`dbc plugins NAME\` one plugin's fields, and a config can also
name a TypeScript file of its own: \`plugin: ./my-filter.ts\`, in the config's folder or below it.

Text values may hold \`\${NAME}\` and \`\${NAME:-default}\` for environment variables, whose names are in
capitals, and \`\${file:/run/secrets/x}\` for the contents of a file; \`$\${\` stands for a plain \`\${\`.
Other braces, as in the topic \`cdc.\${db}.\${tbl}\`, belong to the plugin.

${parts.join("\n")}`;
  return { path: "docs/plugins/README.md", text };
}

function fieldTable(fields: readonly Field[]): string {
  const code = (text: string) => `\`${text.replaceAll("|", "\\|").replaceAll("\n", " ")}\``;
  const rows = fields.map((field) => {
    const fallback = field.required ? "required" : field.fallback ? code(field.fallback) : "";
    const secret = field.secret ? " Never shown." : "";
    const about = cell(field.description) + secret;
    return `| ${code(field.name)} | ${cell(field.type)} | ${fallback} | ${about} |`;
  });
  return `| Field | Type | Default | What it is |\n| --- | --- | --- | --- |\n${rows.join("\n")}`;
}

/** Text that stands in a table: nothing in it is markup. */
function cell(text: string): string {
  return text.replaceAll("\n", " ").replace(/[|<*]/g, "\\$&");
}

const kindText = {
  retry: "may go by itself; dbus tries again",
  fatal: "needs a person",
  fence: "somebody newer owns the work",
  bug: "a fault of dbus itself",
} as const;

function errorsText(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { kind, summary, remedy }]) =>
      `| \`${code}\` | ${kind} | ${cell(summary)} | ${cell(remedy)} |`,
  );
  const kindsText = Object.entries(kindText).map(([kind, text]) => `- **${kind}**: ${text}.`);
  return `${made}

# Errors

Every error has one of these codes, in the log, in \`dbc status\`, in the answers of the admin API and
in the dead letters. Its kind says what dbus does with it:

${kindsText.join("\n")}

| Code | Kind | What it is | What to do |
| --- | --- | --- | --- |
${rows.join("\n")}

## Exit codes

\`\`\`
${exitCodesText.trimEnd()}
\`\`\`
`;
}

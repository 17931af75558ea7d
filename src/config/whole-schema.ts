import type { Plugin } from "../plugin/define.ts";
import { entryJsonSchema } from "./entries.ts";
import { type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import { type Group, groups, sections } from "./schema.ts";

/**
 * The JSON Schema of a whole configuration, every builtin plugin's fields in it: editors complete
 * and check with it. A reference such as `${PORT}` may stand for any scalar, and an entry whose
 * plugin is a file may have any fields.
 */
export function wholeJsonSchema(builtins: readonly Plugin[]): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, schema] of Object.entries(sections)) {
    properties[name] = withReferences(jsonSchemaOf(schema));
  }
  for (const group of Object.keys(groups) as Group[]) {
    properties[group] = {
      type: "array",
      description: `The ${group} of the bus.`,
      items: entrySchema(group, builtins),
      ...(group === "filters" ? {} : { minItems: 1 }),
    };
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "dbus configuration",
    type: "object",
    properties,
    required: ["inputs", "outputs"],
    additionalProperties: false,
  };
}

/** By plugin name, so that an editor shows the fields of that plugin and no other's. */
function entrySchema(group: Group, builtins: readonly Plugin[]): JsonSchema {
  const kind = groups[group];
  const plugins = builtins.filter((plugin) => plugin.kind === kind);
  const common = entryJsonSchema(kind, null);
  const names = plugins.map((plugin) => plugin.name);
  const allOf = plugins.map((plugin) => ({
    if: { properties: { plugin: { const: plugin.name } }, required: ["plugin"] },
    // biome-ignore lint/suspicious/noThenProperty: it is the keyword's name
    then: withReferences({
      ...entryJsonSchema(kind, plugin),
      description: plugin.summary,
      additionalProperties: false,
    }),
  }));
  const plugin = {
    description: common.properties?.plugin?.description ?? "",
    anyOf: [{ enum: names }, { type: "string", pattern: "^\\.{1,2}/" }],
  };
  return {
    type: "object",
    properties: { name: common.properties?.name ?? {}, plugin },
    required: ["name", "plugin"],
    allOf: allOf as unknown as readonly JsonSchema[],
  };
}

const reference = { type: "string", pattern: "\\$\\{" } as const;

/** Lets a reference stand where a number, a boolean or a text of some shape is wanted. */
function withReferences(schema: JsonSchema): JsonSchema {
  const shaped = schema.pattern !== undefined || schema.enum !== undefined;
  const text = schema.type === "string" && shaped;
  if (text || ["number", "integer", "boolean"].includes(String(schema.type))) {
    const { description, default: fallback, ...rest } = schema;
    return {
      ...(description === undefined ? {} : { description }),
      ...(fallback === undefined ? {} : { default: fallback }),
      anyOf: [rest, reference],
    };
  }
  const copy: Record<string, unknown> = { ...schema };
  for (const key of ["anyOf", "oneOf", "allOf", "prefixItems"] as const) {
    if (schema[key]) copy[key] = schema[key].map(withReferences);
  }
  for (const key of ["items", "additionalProperties"] as const) {
    const part = schema[key];
    if (typeof part === "object") copy[key] = withReferences(part);
  }
  if (schema.properties) {
    copy.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, part]) => [name, withReferences(part)]),
    );
  }
  return copy as JsonSchema;
}

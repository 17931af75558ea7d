import { expect, test } from "bun:test";
import { branchesOf, type JsonSchema, jsonSchemaOf } from "#src/config/json-schema.ts";
import { entrySchemas } from "#src/config/schema.ts";
import type { Plugin } from "#src/plugin/define.ts";

/** What holds for the configuration of every plugin; `valid` is one with every field it needs. */
export function pluginSchemaContract(plugin: Plugin, valid: object): void {
  const schema = jsonSchemaOf(plugin.configSchema);

  test("its name says its kind, and it says in a sentence what it does", () => {
    expect(plugin.name).toMatch(/^[A-Z][A-Za-z0-9]*(Input|Filter|Output)$/);
    expect(plugin.name.toLowerCase()).toEndWith(plugin.kind);
    expect(plugin.summary).toMatch(/^[A-Z].{10,}\.$/);
  });

  test("its schema is strict and every field is described", () => {
    const undescribed: string[] = [];
    const loose: string[] = [];
    walk(schema, "", (path, one) => {
      for (const [name, field] of Object.entries(one.properties ?? {})) {
        if (!branchesOf(field).some(({ description }) => description?.trim())) {
          undescribed.push(`${path}.${name}`);
        }
      }
      if (one.properties && one.additionalProperties !== false) loose.push(path);
    });
    expect(undescribed).toEqual([]);
    expect(loose).toEqual([]);
  });

  test("an unknown field is refused, and so is a value of another type", () => {
    expect(plugin.configSchema.safeParse(valid).success).toBe(true);
    expect(plugin.configSchema.safeParse({ ...valid, nosuchfield: 1 }).success).toBe(false);
    for (const wrong of [null, 1, "text", []]) {
      expect(plugin.configSchema.safeParse(wrong).success).toBe(false);
    }
    for (const name of Object.keys(schema.properties ?? {})) {
      const odd = plugin.configSchema.safeParse({ ...valid, [name]: () => {} });
      expect([name, odd.success]).toEqual([name, false]);
    }
  });

  test("it has no field that every entry has already", () => {
    const common = Object.keys(entrySchemas[plugin.kind].shape);
    const own = Object.keys(schema.properties ?? {});
    expect(own.filter((name) => common.includes(name))).toEqual([]);
  });
}

/** Calls `visit` with the schema and every schema within it. */
function walk(
  schema: JsonSchema,
  path: string,
  visit: (path: string, schema: JsonSchema) => void,
): void {
  for (const one of branchesOf(schema)) {
    visit(path, one);
    for (const [name, field] of Object.entries(one.properties ?? {})) {
      walk(field, `${path}.${name}`, visit);
    }
    if (one.items && typeof one.items === "object") walk(one.items, `${path}[]`, visit);
  }
}

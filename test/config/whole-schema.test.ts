import { expect, test } from "bun:test";
import { type JsonSchema, schemasAt } from "#src/config/json-schema.ts";
import { wholeJsonSchema } from "#src/config/whole-schema.ts";
import { fakePlugins } from "./fake-plugins.ts";

const whole = wholeJsonSchema(fakePlugins);

/** The `then` of the entry schema that applies to a plugin. */
function thenOf(group: string, plugin: string): JsonSchema {
  const [items] = schemasAt(whole, [group, 0]);
  const found = (items?.allOf ?? []).find((one) => {
    return (one.if as JsonSchema).properties?.plugin?.const === plugin;
  });
  if (found === undefined) throw new Error(`there is no schema of ${plugin}`);
  return found.then as JsonSchema;
}

test("an entry has the fields of its plugin beside the common ones, and no other", () => {
  const schema = thenOf("outputs", "FakeOutput");
  expect(Object.keys(schema.properties ?? {})).toEqual([
    "name",
    "plugin",
    "match",
    "batch",
    "retry",
    "buffer",
    "timeoutMs",
    "onFailed",
    "topic",
    "acks",
  ]);
  expect(schema.required).toEqual(["name", "plugin", "match"]);
  expect(schema.additionalProperties).toBe(false);
});

test("a reference may stand where a number, a boolean or a choice is wanted", () => {
  const { properties = {} } = thenOf("inputs", "FakeInput");
  for (const name of ["port", "follow", "mode"]) {
    expect(properties[name]?.anyOf?.[1]).toEqual({ type: "string", pattern: "\\$\\{" });
  }
  expect(properties.url?.anyOf).toBeUndefined();
  expect(properties.mode?.anyOf?.[0]?.enum).toEqual(["async", "sync", "dryrun"]);
  expect(properties.mode).toMatchObject({ default: "async", description: "How to read." });
});

test("plugins of one kind are offered in its group only, and a file may be named in each", () => {
  for (const [group, plugin] of [
    ["inputs", "FakeInput"],
    ["filters", "FakeFilter"],
    ["outputs", "FakeOutput"],
  ] as const) {
    const [items] = schemasAt(whole, [group, 0]);
    expect(items?.properties?.plugin?.anyOf).toEqual([
      { enum: [plugin] },
      { type: "string", pattern: "^\\.{1,2}/" },
    ]);
  }
  expect(whole.required).toEqual(["inputs", "outputs"]);
  expect(whole.additionalProperties).toBe(false);
});

test("every section and every field of it is described", () => {
  const undescribed: string[] = [];
  function visit(schema: JsonSchema, path: string): void {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (!field.description) undescribed.push(`${path}${name}`);
      visit(field, `${path}${name}.`);
    }
  }
  visit(whole, "");
  expect(undescribed).toEqual([]);
});

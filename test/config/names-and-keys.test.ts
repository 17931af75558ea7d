import { expect, test } from "bun:test";
import { faultOf } from "#src/api/encode.ts";
import { loadConfig } from "#src/config/load.ts";
import { parseYaml } from "#src/config/yaml.ts";
import { fakeRegistry } from "./fake-plugins.ts";

const keys = ["__proto__", "constructor", "prototype"];
const places: readonly (readonly [where: string, text: (key: string) => string])[] = [
  ["at the top of YAML", (key) => `${key}: {polluted: 1}\n`],
  ["deep in YAML", (key) => `a: [{b: {${key}: {polluted: 1}}}]\n`],
  ["quoted in YAML", (key) => `a: {"${key}": {polluted: 1}}\n`],
  ["escaped in YAML", (key) => `a: {"\\u005f${key.slice(1)}": {polluted: 1}}\n`],
  ["in JSON", (key) => `{"a": {"${key}": {"polluted": 1}}}`],
  ["behind an alias", (key) => `a: &a {${key}: {polluted: 1}}\nb: *a\n`],
  ["merged", (key) => `a: &a {${key}: {polluted: 1}}\nb: {<<: *a}\n`],
];

for (const key of keys) {
  test.each(places)(`S7: ${key} %s is refused, and reaches no object`, (where, text) => {
    // An escape makes the key only where it begins with an underscore.
    if (where.startsWith("escaped") && !key.startsWith("_")) return;
    const { value, problems } = parseYaml(text(key), "c.yaml");
    expect(problems.map(({ message }) => message)).toContain(`the key ${key} is not allowed`);
    const merged = { ...(value as object) } as Record<string, unknown>;
    expect([({} as Record<string, unknown>).polluted, merged.polluted]).toEqual([
      undefined,
      undefined,
    ]);
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  });

  test(`S7: ${key} in the JSON of a request is found at any depth`, () => {
    for (const text of [`{"${key}":1}`, `[{"a":[{"${key}":{}}]}]`]) {
      expect(faultOf(JSON.parse(text), 32)).toContain(key);
    }
  });
}

const names: readonly string[] = [
  ..."../x|..|.|.hidden|/abs|a/b|a\\b|A|ä|-x|_x|a b|a%2fb|a\u0000b|a\nb||".split("|"),
  "x".repeat(65),
  "__proto__",
];

test.each(names)("S9: no input can be called %j", async (name) => {
  const text = JSON.stringify({
    inputs: [{ name, plugin: "FakeInput" }],
    outputs: [{ name: "out", plugin: "FakeOutput", match: "*" }],
  });
  const { config, problems } = await loadConfig("c.yaml", {
    registry: fakeRegistry,
    text,
    env: {},
  });
  expect(config).toBeNull();
  expect(problems.map(({ place }) => place.path)).toContain("inputs[0].name");
});

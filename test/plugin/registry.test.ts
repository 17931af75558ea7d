import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtins } from "#plugins/index.ts";
import type { Builtin } from "#src/plugin/builtin.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import { asBuiltin, fakeFilter, fakeInput } from "../config/fake-plugins.ts";

const registry = createRegistry([asBuiltin(fakeInput), asBuiltin(fakeFilter)]);
let folder = "";
let config = "";

const source = (name: string) => `import { defineFilter, type Packet } from "#plugin";
import { z } from "zod";
export const mine = defineFilter({
  name: "${name}",
  summary: "Passes all.",
  configSchema: z.strictObject({ rate: z.number().default(1) }),
  open: () => null,
  apply: (_: null, packet: Packet) => packet,
});
`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dbus-registry-"));
  mkdirSync(join(folder, "conf", "below"), { recursive: true });
  config = join(folder, "conf", "c.yaml");
  writeFileSync(join(folder, "conf", "mine.ts"), source("Mine"));
  writeFileSync(join(folder, "conf", "below", "deep.ts"), source("Deep"));
  writeFileSync(join(folder, "outside.ts"), source("Outside"));
  writeFileSync(join(folder, "conf", "none.ts"), "export const x = 1;\n");
  writeFileSync(join(folder, "conf", "broken.ts"), "export const = ;\n");
  writeFileSync(join(folder, "conf", "throws.ts"), 'throw new Error("no luck");\n');
  writeFileSync(join(folder, "conf", "data.json"), "{}");
  symlinkSync(join(folder, "outside.ts"), join(folder, "conf", "link.ts"));
});

afterAll(() => rmSync(folder, { recursive: true }));

test("a builtin is found by its name and its kind", async () => {
  expect(await registry.find("input", "FakeInput", config)).toBe(fakeInput);
  expect(registry.names("filter")).toEqual(["FakeFilter"]);
  await expect(registry.find("output", "FakeInput", config)).rejects.toMatchObject({
    code: "PLUGIN_UNKNOWN",
    message: "FakeInput is an input, not an output",
  });
  await expect(registry.find("input", "Nope", config)).rejects.toMatchObject({
    code: "PLUGIN_UNKNOWN",
  });
});

test.each(["./mine.ts", "./below/deep.ts", "./below/../mine.ts"])(
  "a user's file %s is loaded with the SDK, though it stands outside the package",
  async (path) => {
    const plugin = await registry.find("filter", path, config);
    expect(plugin.configSchema.parse({})).toEqual({ rate: 1 });
  },
);

test.each([
  ["../outside.ts", "may not be loaded"],
  ["./link.ts", "may not be loaded"],
  ["./data.json", "may not be loaded"],
  ["./no.ts", "is not there"],
  ["./\0.ts", "is not there"],
  ["./none.ts", "exports 0 plugins"],
  ["./broken.ts", "cannot be loaded"],
  ["./throws.ts", "no luck"],
])("S15: the file %p is refused: %s", async (path, why) => {
  const found = registry.find("filter", path, config);
  await expect(found).rejects.toMatchObject({
    code: "PLUGIN_LOAD",
    message: expect.stringContaining(why),
  });
});

test("S15: an absolute path or a package name is only a name that is not there", async () => {
  for (const path of [join(folder, "outside.ts"), "node:fs", "file:///etc/passwd"]) {
    await expect(registry.find("filter", path, config)).rejects.toMatchObject({
      code: "PLUGIN_UNKNOWN",
    });
  }
});

test("two builtins of one name are refused at once", () => {
  const one = asBuiltin(fakeInput);
  expect(() => createRegistry([one, one])).toThrow("two builtin plugins");
});

test("every builtin is in its file what the list says that it is", async () => {
  const plugins = await createRegistry(builtins).builtins();
  const named = ({ kind, name }: { readonly kind: string; readonly name: string }) => [kind, name];
  expect(plugins.map(named)).toEqual(builtins.map(named));
});

test.each<[what: string, why: string, broken: Partial<Builtin>]>([
  ["cannot be loaded", "no luck", { load: () => Promise.reject(new Error("no luck")) }],
  ["exports no plugin", "exports 0 plugins", { load: async () => ({ configSchema: {} }) }],
  ["has another name", "in its file", { name: "Other" }],
  ["is of another kind", "in its file", { kind: "output" }],
])("a builtin whose file %s is refused with a code", async (_what, why, broken) => {
  const builtin = { ...asBuiltin(fakeInput), ...broken };
  const { kind, name } = builtin;
  const found = createRegistry([builtin]).find(kind, name, config);
  await expect(found).rejects.toMatchObject({
    code: "PLUGIN_LOAD",
    message: expect.stringContaining(why),
  });
});

test("a builtin is loaded only when it is named", async () => {
  let loads = 0;
  const counted = (plugin: typeof fakeInput | typeof fakeFilter): Builtin => ({
    ...asBuiltin(plugin),
    load: async () => {
      loads++;
      return { plugin };
    },
  });
  const two = createRegistry([counted(fakeInput), counted(fakeFilter)]);
  expect([two.names("input"), loads]).toEqual([["FakeInput"], 0]);
  await two.find("filter", "FakeFilter", config);
  expect(loads).toBe(1);
});

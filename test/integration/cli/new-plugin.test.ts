import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runNewPlugin } from "#src/cli/new-plugin.ts";
import { withBuiltin } from "#src/cli/plugin-templates.ts";

const root = join(import.meta.dir, "..", "..", "..");
let copy = "";

/** The sources as they are, in another folder: what is made there is tried there. */
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "dbus-new-plugin-"));
  for (const part of ["package.json", "tsconfig.json", "biome.json", "bunfig.toml"]) {
    cpSync(join(root, part), join(copy, part));
  }
  for (const part of ["src", "plugins", "actors", "etc"]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  for (const part of ["test/contract", "test/support"]) {
    mkdirSync(join(copy, "test"), { recursive: true });
    symlinkSync(join(root, part), join(copy, part));
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => rmSync(copy, { recursive: true }));

async function run(...argv: string[]) {
  const child = Bun.spawn([process.execPath, ...argv], {
    cwd: copy,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, text: out + err };
}

test.each(["input", "filter", "output"])(
  "a new %s passes its contract, the formatter and the linter, and its sample can be used",
  async (kind) => {
    const name = `new-${kind}`;
    const said = runNewPlugin([kind, name], copy);
    const files = [...said.matchAll(/^ {2}(\S+)$/gm)].map(([, path]) => path ?? "");
    expect(files).toHaveLength(4);
    const tested = await run("test", `./test/plugins/${kind}/${name}`);
    expect(tested.text).toContain(" 0 fail");
    expect(tested.code).toBe(0);
    const linted = await run(
      "--bun",
      "node_modules/.bin/biome",
      "check",
      ...files.slice(0, 2),
      "plugins/index.ts",
    );
    expect(linted).toEqual({ code: 0, text: expect.stringContaining("No fixes applied") });
    const checked = await run("src/cli/dbusd.ts", "--check", `etc/${name}.yaml`);
    expect(checked.text).toStartWith(`etc/${name}.yaml: it can be used\n`);
    const listed = await run("src/cli/dbc.ts", "plugins", "--admin", "127.0.0.1:1");
    expect(listed.text).toContain(`New${kind[0]?.toUpperCase()}${kind.slice(1)}`);
  },
  30_000,
);

test("what was made has the right types", async () => {
  const { text } = await run("--bun", "node_modules/.bin/tsc", "--noEmit", "-p", ".");
  expect(text.split("\n").filter((line) => line.includes("new-"))).toEqual([]);
}, 60_000);

test("nothing is written over, and nothing is half done", () => {
  const before = readFileSync(join(copy, "plugins/index.ts"), "utf8");
  expect(() => runNewPlugin(["output", "mock"], copy)).toThrow("is there already");
  expect(readFileSync(join(copy, "plugins/index.ts"), "utf8")).toBe(before);
});

test.each([
  [["output"]],
  [["sink", "x"]],
  [["output", "Foo"]],
  [["output", "../x"]],
  [["output", "a", "b"]],
])("%j is refused", (argv) => {
  expect(() => runNewPlugin(argv, copy)).toThrow("it wants a kind and a name in kebab-case");
});

test("the list keeps what it holds, and is refused when it is none", () => {
  const plugin = { kind: "output", name: "b-c" } as const;
  const head = "export const builtins: readonly Builtin[] = [\n";
  const line = (name: string, file: string) => `  output("${name}", () => import("${file}")),\n`;
  const former = line("AOutput", "./output/a/a-output.ts");
  expect(withBuiltin(`${head}${former}];\n`, plugin)).toBe(
    `${head}${former}${line("BCOutput", "./output/b-c/b-c-output.ts")}];\n`,
  );
  expect(() => withBuiltin("export const x = 1;", plugin)).toThrow("not as it was");
});

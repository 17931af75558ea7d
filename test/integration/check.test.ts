import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/** Runs a tool of the dependencies on Bun: its start script asks for Node by name. */
async function tool(...argv: readonly string[]): Promise<string> {
  const [name, ...args] = argv;
  const child = Bun.spawn(
    [
      "sh",
      "-c",
      'exec "$@" 2>&1',
      "sh",
      process.execPath,
      "--bun",
      `node_modules/.bin/${name}`,
      ...args,
    ],
    { cwd: root, stdin: "ignore", stdout: "pipe" },
  );
  const output = await new Response(child.stdout).text();
  return (await child.exited) === 0 ? "clean" : output;
}

test("the types fit", async () => {
  expect(await tool("tsc", "--noEmit", "-p", ".")).toBe("clean");
});

test("the linter and the formatter have nothing to say", async () => {
  expect(await tool("biome", "check", "--error-on-warnings")).toBe("clean");
});

import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { builtins } from "#plugins/index.ts";
import { currentPages, samples } from "#src/cli/docs.ts";
import { pagesOf } from "#src/cli/pages.ts";
import { loadConfig } from "#src/config/load.ts";
import { problemsText } from "#src/config/problem.ts";
import { errorTable } from "#src/errors.ts";
import { metricsText } from "#src/metrics.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import { fakeStat, fakeTree } from "../api/fake-port.ts";
import { fakeInput } from "../config/fake-plugins.ts";

const root = join(import.meta.dir, "..", "..");

test("the pages that are made from the sources are those that lie there: else run bun run docs", async () => {
  const pages = await currentPages();
  const stale = pages.filter(({ path, text }) => {
    const file = join(root, path);
    return !existsSync(file) || readFileSync(file, "utf8") !== text;
  });
  expect(stale.map(({ path }) => path)).toEqual([]);
  const kept = new Set(pages.map(({ path }) => path));
  const lying = readdirSync(join(root, "docs/plugins")).map((name) => `docs/plugins/${name}`);
  expect(lying.filter((path) => !kept.has(path))).toEqual([]);
});

test("every plugin has a page, a line in the list, and every error its row", async () => {
  const pages = new Map((await currentPages()).map(({ path, text }) => [path, text]));
  for (const { name } of builtins) {
    expect(pages.get(`docs/plugins/${name}.md`)).toContain(`# ${name}\n`);
    expect(pages.get("docs/plugins/README.md")).toContain(`- [${name}](${name}.md): `);
  }
  const errors = pages.get("docs/errors.md") ?? "";
  for (const code of Object.keys(errorTable)) expect(errors).toContain(`\n| \`${code}\` | `);
});

test("a page tells each field with type, default and meaning, and which are never shown", () => {
  const [page] = pagesOf([fakeInput], [{ path: "etc/a.yaml", text: "plugin: FakeInput\n" }]);
  expect(page?.text).toContain("| `port` | integer from 1 to 65535 |  | The port. |");
  expect(page?.text).toContain(
    '| `mode` | "async" \\| "sync" \\| "dryrun" | `"async"` | How to read. |',
  );
  expect(page?.text).toContain("| `tls.key` | string | required | The key. Never shown. |");
  expect(page?.text).toContain("- [etc/a.yaml](../../etc/a.yaml)");
});

test("every sample names the schema that editors complete with", () => {
  for (const { path, text } of samples()) {
    expect([path, text.split("\n")[0]]).toEqual([
      path,
      "# yaml-language-server: $schema=schema.json",
    ]);
  }
});

test("the configuration in the documentation is one that can be used", async () => {
  const text = readFileSync(join(root, "docs/configuration.md"), "utf8");
  const yaml = /```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  const secret = yaml.replace("${file:/run/secrets/mysql}", "${PASSWORD:-x}");
  const options = { registry: createRegistry(builtins), text: secret, env: {} };
  expect(problemsText((await loadConfig("docs.yaml", options)).problems)).toBe("");
});

test("the metrics that the documentation names are there", async () => {
  const text = readFileSync(join(root, "docs/operations.md"), "utf8");
  const metrics = await metricsText(fakeStat, fakeTree);
  const named = [...text.matchAll(/`(dbus_\w+)`/g)].map(([, name]) => name ?? "");
  expect(named.length).toBeGreaterThan(8);
  for (const name of named) expect(metrics).toContain(`# TYPE ${name} `);
});

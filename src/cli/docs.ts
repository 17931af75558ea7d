import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { builtins } from "#plugins/index.ts";
import { createRegistry } from "../plugin/registry.ts";
import { type Page, pagesOf, type Sample } from "./pages.ts";

const root = join(import.meta.dir, "..", "..");

/** The sample configs, by name. */
export function samples(): readonly Sample[] {
  return readdirSync(join(root, "etc"))
    .filter((name) => name.endsWith(".yaml") && !name.endsWith(".test.yaml"))
    .sort()
    .map((name) => ({
      path: `etc/${name}`,
      text: readFileSync(join(root, "etc", name), "utf8"),
    }));
}

export async function currentPages(): Promise<readonly Page[]> {
  return pagesOf(await createRegistry(builtins).builtins(), samples());
}

/** `bun run docs`: writes the pages that are made from the sources, and removes those of no plugin. */
async function writePages(): Promise<void> {
  const pages = await currentPages();
  const folder = join(root, "docs/plugins");
  mkdirSync(folder, { recursive: true });
  const kept = new Set(pages.map(({ path }) => path));
  for (const name of readdirSync(folder)) {
    if (!kept.has(`docs/plugins/${name}`)) rmSync(join(folder, name));
  }
  for (const { path, text } of pages) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  process.stdout.write(`${pages.length} pages written\n`);
}

if (import.meta.main) await writePages();

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { audit, auditTest } from "./support/audit.ts";

const root = join(import.meta.dir, "..");
const read = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"));
const manifest = read("package.json") as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  trustedDependencies?: unknown;
  scripts: Record<string, string>;
};

/** The lockfile is JSON with commas that JSON does not know. */
const lock = JSON.parse(
  readFileSync(join(root, "bun.lock"), "utf8").replace(/,(\s*[}\]])/g, "$1"),
) as { packages: Record<string, [string, ...unknown[]]> };
const locked = Object.entries(lock.packages);

test("S20: every dependency is pinned to one version", () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  expect(Object.values(all).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test("S20: the lockfile knows each package by version and checksum, and from nowhere else", () => {
  expect(locked.length).toBeGreaterThan(5);
  for (const [name, [what, from, , checksum]] of locked) {
    expect([name, what]).toEqual([name, expect.stringMatching(/@\d+\.\d+\.\d+[\w.+-]*$/)]);
    expect([name, from]).toEqual([name, ""]);
    expect([name, checksum]).toEqual([name, expect.stringMatching(/^sha512-/)]);
  }
});

test("S20: there are few of them", () => {
  expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(10);
  // Fifteen of them are one optional library, built for as many platforms.
  expect(locked.length).toBeLessThanOrEqual(95);
});

test("S20: none runs a script when it is installed", () => {
  expect(manifest.trustedDependencies ?? []).toEqual([]);
  const hooks = ["preinstall", "install", "postinstall", "prepare"];
  expect(hooks.filter((hook) => manifest.scripts[hook] !== undefined)).toEqual([]);
  const seen = Object.keys({ ...manifest.dependencies }).filter((name) => {
    const path = join("node_modules", name, "package.json");
    return existsSync(join(root, path)) && scriptsOf(path).length > 0;
  });
  expect(seen).toEqual([]);
});

function scriptsOf(path: string): string[] {
  const { scripts = {} } = read(path) as { scripts?: Record<string, string> };
  return ["preinstall", "install", "postinstall"].filter((hook) => scripts[hook] !== undefined);
}

const audited = await audit(root);

describe("S20: the audit of dependencies", () => {
  auditTest("finds nothing that is known to be unsafe", audited);
});

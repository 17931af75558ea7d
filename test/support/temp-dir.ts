import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of its own for the tests of a file or a `describe`; gone when they have ended. */
export function tempDir(what: string): string {
  const dir = mkdtempSync(join(tmpdir(), `dbus-${what}-`));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

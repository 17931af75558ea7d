import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { persistedId } from "#src/cluster/participant-id.ts";

const folder = mkdtempSync(join(tmpdir(), "dbus-id-"));
afterAll(() => rmSync(folder, { recursive: true }));

let made = 0;
const newId = () => `01HZX${++made}ABCDEFGH`;

test("a participant is the same over restarts, whatever its machine is called by then", () => {
  const first = persistedId(folder, newId, "Host_1.Example:9876");
  expect(first).toBe("host-1-example-9876-abcdefgh");
  expect(persistedId(folder, newId, "another")).toBe(first);
  expect(made).toBe(1);
  expect(statSync(join(folder, "participant-id")).mode & 0o077).toBe(0);
});

test("a file that holds something else is named, and not written over", () => {
  const path = join(folder, "participant-id");
  writeFileSync(path, "../../etc\n");
  expect(() => persistedId(folder, newId)).toThrow("does not hold a participant's id");
  expect(readFileSync(path, "utf8")).toBe("../../etc\n");
});

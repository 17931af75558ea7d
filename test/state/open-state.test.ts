import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openState } from "#src/state/open-state.ts";

const root = mkdtempSync(join(tmpdir(), "dbus-state-"));
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(root, "d"));
});
afterAll(() => rmSync(root, { recursive: true }));

const key = { input: "in", resource: "r", partition: "0" };

/** Another process that holds the folder, once it has committed. */
async function holder() {
  const script = join(import.meta.dir, "../support/hold-state.ts");
  const child = Bun.spawn([process.execPath, script, dir], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return { child, epoch: Number(new TextDecoder().decode(value)) };
}

describe("data folder", () => {
  test("a second process is refused, and told who holds it", async () => {
    const { child } = await holder();
    const refused = openState({ dir });
    await expect(refused).rejects.toMatchObject({ code: "STATE_LOCKED" });
    await expect(openState({ dir })).rejects.toThrow(String(child.pid));
    child.kill("SIGKILL");
    await child.exited;
  });

  test("after SIGKILL the folder is free, what was committed is there, the epoch is newer", async () => {
    const { child, epoch } = await holder();
    child.kill("SIGKILL");
    await child.exited;
    const state = await openState({ dir });
    expect(state.epoch).toBeGreaterThan(epoch);
    expect((await state.checkpoints.get(key))?.position).toBe("42");
    await state.close();
  });

  test("the same process may open it again once it is closed", async () => {
    const first = await openState({ dir });
    await expect(openState({ dir })).rejects.toMatchObject({ code: "STATE_LOCKED" });
    await first.close();
    const second = await openState({ dir });
    expect(second.epoch).toBe(first.epoch + 1);
    await second.close();
  });

  test("only its owner can read it", async () => {
    const own = join(dir, "new");
    const state = await openState({ dir: own });
    expect(statSync(own).mode & 0o777).toBe(0o700);
    expect(statSync(join(own, "state.db")).mode & 0o777).toBe(0o600);
    await state.close();
  });

  test("a damaged file is told apart from an empty one", async () => {
    writeFileSync(
      join(dir, "state.db"),
      "this is not a database, and long enough to look like one",
    );
    await expect(openState({ dir })).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  });

  test("a path that is a file is refused with the path", async () => {
    const file = join(dir, "file");
    writeFileSync(file, "");
    await expect(openState({ dir: file })).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
    chmodSync(file, 0o600);
  });

  test("a file of a newer dbus is left alone", async () => {
    const state = await openState({ dir });
    await state.close();
    const { Database } = await import("bun:sqlite");
    const database = new Database(join(dir, "state.db"));
    database.run("PRAGMA user_version = 99");
    database.close();
    await expect(openState({ dir })).rejects.toMatchObject({ kind: "fatal" });
  });
});

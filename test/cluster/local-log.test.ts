import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createFallback } from "#src/cluster/fallback.ts";
import { createMemoryLocalLog, type LocalEntry, type LocalLog } from "#src/cluster/local-log.ts";
import { DbusError } from "#src/errors.ts";
import { openState } from "#src/state/open-state.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { stateDirs } from "../support/state-dirs.ts";

const newDir = stateDirs("local-log");
const entry = (rid: string, seq: number): LocalEntry => ({
  ...{ rid, seq, fence: 7, at: 1_700_000_000_000 },
  positions: { "0": `{"pos":${seq}}`, "1": "x" },
});

test("what was written is there after the next start, the newest of each resource", async () => {
  const dir = newDir();
  const state = await openState({ dir });
  state.localLog.write([entry("a", 1), entry("b", 4)]);
  state.localLog.write([entry("a", 2)]);
  await state.close();
  const next = await openState({ dir });
  expect(next.localLog.read("a")).toEqual(entry("a", 2));
  expect(next.localLog.read("b")).toEqual(entry("b", 4));
  next.localLog.remove("a");
  expect([next.localLog.read("a"), next.localLog.read("c")]).toEqual([null, null]);
  await next.close();
});

test("all resources of one write are there, or none", async () => {
  const state = await openState({ dir: newDir() });
  const broken = { ...entry("b", 2), fence: "x" as unknown as number };
  expect(() => state.localLog.write([entry("a", 1), broken])).toThrow(DbusError);
  expect(state.localLog.read("a")).toBeNull();
  await state.close();
});

test.each(["rid = 'b'", "fence = 8", "seq = 3", `positions = '{"0":"y"}'`])(
  "a row of which %s is another's is not believed (fault 81)",
  async (change) => {
    const dir = newDir();
    const state = await openState({ dir });
    state.localLog.write([entry("a", 2)]);
    await state.close();
    const database = new Database(join(dir, "state.db"));
    database.run(`UPDATE local_log SET ${change}`);
    database.close();
    const next = await openState({ dir });
    const read = () => next.localLog.read(change.startsWith("rid") ? "b" : "a");
    expect(read).toThrow(expect.objectContaining({ code: "CHECKPOINT_CORRUPT" }));
    await next.close();
  },
);

describe("a participant", () => {
  function fallback(localLog: LocalLog) {
    const clock = createManualClock();
    const { log, entries } = recordedLog();
    let writes = 0;
    const unsaved = () => [entry("a", ++writes), entry("b", writes)];
    return { clock, entries, ...createFallback({ clock, log, localLog, unsaved }) };
  }

  test("writes all that failed together at once", () => {
    const memory = createMemoryLocalLog();
    const written: number[] = [];
    const write: LocalLog["write"] = (all) => void written.push(all.length);
    const { clock, soon } = fallback({ ...memory, write });
    soon();
    soon();
    expect(written).toEqual([]);
    clock.advance(1);
    soon();
    clock.advance(1);
    expect(written).toEqual([2, 2]);
  });

  test("goes on without the log when that cannot be written, and warns once until it can", () => {
    let fails = true;
    const careful = (): never => {
      throw new DbusError("STATE_UNWRITABLE", "the disk is full");
    };
    const memory = createMemoryLocalLog();
    const write: LocalLog["write"] = (all) => (fails ? careful() : memory.write(all));
    const { log, entries, ...one } = fallback({ ...memory, write, read: careful });
    one.write([entry("a", 1)]);
    one.write([entry("a", 2)]);
    expect(log.read("a")).toBeNull();
    expect(entries.map(({ level }) => level)).toEqual(["warn"]);
    fails = false;
    one.write([entry("a", 3)]);
    fails = true;
    one.write([entry("a", 4)]);
    expect(entries).toHaveLength(2);
    expect(memory.read("a")).toEqual(entry("a", 3));
  });
});

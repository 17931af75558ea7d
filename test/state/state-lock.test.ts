import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { openState } from "#src/state/open-state.ts";
import { type LineProcess, startLines } from "../support/lines-of.ts";
import { stateDirs } from "../support/state-dirs.ts";
import { waitFor } from "../support/wait-for.ts";

const newDir = stateDirs("lock");
const started: LineProcess[] = [];
const start = (dir: string, mode = "hold"): LineProcess => {
  const holder = join(import.meta.dir, "holder.ts");
  const found = startLines(process.execPath, [holder, dir, mode]);
  started.push(found);
  return found;
};
afterEach(() => Promise.all(started.splice(0).map((one) => one.kill())));

test("a second process is refused and told who holds the folder (fault 83)", async () => {
  const dir = newDir();
  const first = start(dir);
  expect(await first.next()).toBe("open 1");
  const second = start(dir);
  const answer = await second.next();
  expect(answer).toStartWith("refused STATE_LOCKED");
  expect(answer).toContain(`pid ${first.child.pid}`);
  await expect(openState({ dir })).rejects.toMatchObject({ code: "STATE_LOCKED" });
});

test("the folder of a process that was killed is free at once", async () => {
  const dir = newDir();
  for (let epoch = 1; epoch <= 3; epoch++) {
    const holder = start(dir);
    expect(await holder.next()).toBe(`open ${epoch}`);
    await holder.kill();
  }
  const state = await openState({ dir });
  expect(state.epoch).toBe(4);
  await state.close();
});

test("of two that start at the same moment exactly one gets it", async () => {
  const dir = newDir();
  const answers = await Promise.all([start(dir), start(dir), start(dir)].map((one) => one.next()));
  expect(answers.filter((answer) => answer === "open 1")).toHaveLength(1);
  expect(answers.filter((answer) => answer.startsWith("refused STATE_LOCKED"))).toHaveLength(2);
});

test("what a commit has answered for is there after SIGKILL, all or nothing", async () => {
  const dir = newDir();
  for (let round = 0; round < 3; round++) {
    const writer = start(dir, "write");
    await waitFor(() => writer.lines.length > 20, { what: "twenty commits" });
    await writer.kill();
    const told = Number(writer.lines.at(-1)?.replace("done ", ""));
    const state = await openState({ dir });
    const key = { input: "in", resource: "r", partition: "0" };
    const kept = Number((await state.checkpoints.get(key))?.position);
    expect(kept).toBeGreaterThanOrEqual(told);
    expect(kept).toBeLessThanOrEqual(told + 1);
    expect(state.gaps.list().at(-1)).toMatchObject({ reason: "test" });
    await state.close();
  }
});

import { openState } from "#src/state/open-state.ts";

/*
 * A process of its own for the tests of the lock: opens the state of a folder, tells what came of
 * it on standard output, commits checkpoints 1, 2, 3 ... telling each once it is durable, and ends
 * only when it is killed.
 */
const [dir = "", mode = "hold"] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);
try {
  const state = await openState({ dir });
  say(`open ${state.epoch}`);
  const key = { input: "in", resource: "r", partition: "0" };
  if (mode === "hold") await new Promise(() => setInterval(() => {}, 1000));
  for (let n = 1; ; n++) {
    await state.checkpoints.commit([{ ...key, position: String(n), epoch: state.epoch }]);
    state.gaps.put({ ...key, from: "null", to: String(n), reason: "test" });
    say(`done ${n}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
} catch (error) {
  const { code, message } = error as { code: string; message: string };
  say(`refused ${code} ${message}`);
}

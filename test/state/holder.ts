import { openState } from "#src/state/open-state.ts";

/*
 * A process of its own for the tests of the data folder: opens the state of a folder and tells what
 * came of it on standard output. `hold` does no more; `write` commits checkpoints 1, 2, 3 ... and
 * tells each once it is durable, until the first that is refused. Both end when they are killed.
 * `persist` goes on behind what is refused, and ends after 200.
 */
const [dir = "", mode = "hold"] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);
try {
  const state = await openState({ dir });
  say(`open ${state.epoch}`);
  const key = { input: "in", resource: "r", partition: "0" };
  if (mode === "hold") await new Promise(() => setInterval(() => {}, 1000));
  const end = mode === "persist" ? 200 : Number.POSITIVE_INFINITY;
  for (let n = 1; n <= end; n++) {
    try {
      await state.checkpoints.commit([{ ...key, position: String(n), epoch: state.epoch }]);
      state.gaps.put({ ...key, from: "null", to: String(n), reason: "test" });
      say(`done ${n}`);
    } catch (error) {
      if (mode !== "persist") throw error;
      say(`refused ${(error as { code: string }).code}`);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.exit(0);
} catch (error) {
  const { code, message } = error as { code: string; message: string };
  say(`refused ${code} ${message}`);
}

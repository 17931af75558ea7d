import { openState } from "#src/state/open-state.ts";

/**
 * Run as a process of its own by the tests of the data folder: opens it, commits a checkpoint,
 * says so on standard output, and stays until it is killed.
 */
const state = await openState({ dir: process.argv[2] as string });
await state.checkpoints.commit([
  { input: "in", resource: "r", partition: "0", position: "42", epoch: state.epoch },
]);
process.stdout.write(`${state.epoch}\n`);
setInterval(() => {}, 60_000);

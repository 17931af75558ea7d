import { DbusError } from "../errors.ts";
import { isJson } from "../format/is-json.ts";
import type { CheckpointKey, Commit } from "./store.ts";

/** How a checkpoint is named in messages. */
export function keyName({ input, resource, partition }: CheckpointKey): string {
  return `the checkpoint of ${input} on ${resource}, partition ${partition},`;
}

/** Refuses what could not be read again. Throws `INVARIANT`. */
export function checkPosition(commit: Commit): void {
  const whole = typeof commit.position === "string" && isJson(commit.position);
  if (whole && Number.isSafeInteger(commit.epoch)) return;
  throw new DbusError("INVARIANT", `${keyName(commit)} is to be set to what is no position`);
}

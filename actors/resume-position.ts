import type { InputEntry } from "#src/config/config.ts";
import { DbusError } from "#src/errors.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import type { Json } from "#src/flow/position.ts";

/** The position to go on from, checked by the plugin's own schema. */
export function resumePosition(
  entry: InputEntry,
  partitions: PartitionSet,
  partition: string,
): Json | null {
  const position = partitions.resume(partition);
  if (position === null) return null;
  const checked = entry.plugin.positionSchema?.safeParse(position);
  if (checked && !checked.success) {
    const what = `the checkpoint of ${entry.name} is not a position of ${entry.plugin.name}`;
    throw new DbusError("CHECKPOINT_CORRUPT", what);
  }
  return position;
}

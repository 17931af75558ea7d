import type { InputContext } from "#plugin";
import { placeName } from "./place.ts";
import type { Places } from "./places.ts";
import type { Reader } from "./reader.ts";

/**
 * Asks where the partitions end, and tells how many records, and how long, we are behind. What a
 * transaction holds back counts too: one that hangs stops reading, and nothing else shows it.
 */
export async function measureLag(
  { consumer }: Reader,
  places: Places,
  context: InputContext,
): Promise<void> {
  const all = places.all();
  if (all.length === 0) return;
  const ends = await consumer.ends(all);
  const at = new Map(ends.map((one) => [placeName(one), one.offset]));
  const now = context.clock.wall();
  let records = 0;
  let oldest: number | undefined;
  let unknown = false;
  for (const place of all) {
    place.end = Math.max(place.end, at.get(place.name) ?? 0);
    if (place.end <= place.next) {
      place.levelAt = now;
      continue;
    }
    records += place.end - place.next;
    // Behind a day of quiet one new record does not make us a day late.
    const since = Math.max(place.lastTimestamp ?? place.levelAt ?? 0, place.levelAt ?? 0);
    if (since === 0) unknown = true;
    else oldest = Math.min(oldest ?? since, since);
  }
  // A producer's clock may be ahead of ours, and a compacted log has fewer records than offsets.
  const behind = oldest === undefined ? 0 : Math.max(0, (now - oldest) / 1000);
  context.reportLag({ records, ...(unknown && oldest === undefined ? {} : { seconds: behind }) });
}

import type { InputContext } from "#plugin";
import { placeName } from "./place.ts";
import type { Places } from "./places.ts";
import type { Reader } from "./reader.ts";

/** Asks where the partitions end, and tells how many records, and how long, we are behind. */
export async function measureLag(
  { consumer }: Reader,
  places: Places,
  context: InputContext,
): Promise<void> {
  const all = places.all();
  if (all.length === 0) return;
  const ends = await consumer.offsets(all, "latest");
  const at = new Map(ends.map((one) => [placeName(one), one.offset]));
  let records = 0;
  let oldest: number | undefined;
  let unknown = false;
  for (const place of all) {
    place.end = Math.max(place.end, at.get(place.name) ?? 0);
    if (place.end <= place.next) continue;
    records += place.end - place.next;
    if (place.lastTimestamp === undefined) unknown = true;
    else oldest = Math.min(oldest ?? place.lastTimestamp, place.lastTimestamp);
  }
  // A producer's clock may be ahead of ours, and a compacted log has fewer records than offsets.
  const behind = oldest === undefined ? 0 : Math.max(0, (context.clock.wall() - oldest) / 1000);
  context.reportLag({ records, ...(unknown && oldest === undefined ? {} : { seconds: behind }) });
}

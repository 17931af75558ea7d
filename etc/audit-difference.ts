/** A part of a count, as CountFilter gives it. */
type Part = {
  readonly window: string;
  readonly side: "read" | "written";
  readonly topic: string;
  readonly count: number;
};
type Change = { readonly kind: "document"; ident: string; value: unknown };
type Sums = { read: number; written: number };

/** So many topics and minutes are known; the oldest is forgotten for a new one. */
const known = 100_000;
const sums = new Map<string, Sums>();

/**
 * Adds the parts of both sides up and tells how they stand. It knows what has passed since the start
 * of dbusd; after a crash packets may be counted again, on either side.
 */
export function difference(change: Change): Change {
  const { window, side, topic, count } = change.value as Part;
  const key = `${window} ${topic}`;
  const sum = sums.get(key) ?? { read: 0, written: 0 };
  sum[side] += count;
  sums.set(key, sum);
  if (sums.size > known) {
    for (const oldest of sums.keys()) {
      sums.delete(oldest);
      break;
    }
  }
  const { read, written } = sum;
  return { ...change, value: { window, topic, read, written, difference: read - written } };
}

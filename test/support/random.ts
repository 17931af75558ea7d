/** A seeded source of random values: the same seed gives the same values on every machine. */
export type Random = {
  /** At least 0 and less than 1. */
  next(): number;
  /** A whole number, at least `min` and at most `max`. */
  int(min: number, max: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** A copy in another order. */
  shuffle<T>(items: readonly T[]): T[];
  bytes(length: number): Uint8Array<ArrayBuffer>;
};

/** The sfc32 generator, which passes PractRand; the seed is a 32 bit number. */
export function seededRandom(seed: number): Random {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, seed | 0, 1];
  const next32 = (): number => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) next32();
  const next = (): number => next32() / 2 ** 32;
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (items) => {
      const item = items[int(0, items.length - 1)];
      if (items.length === 0) throw new Error("cannot pick from nothing");
      return item as (typeof items)[number];
    },
    shuffle: (items) => {
      const copy = [...items];
      for (let at = copy.length - 1; at > 0; at--) {
        const other = int(0, at);
        [copy[at], copy[other]] = [copy[other]!, copy[at]!];
      }
      return copy;
    },
    bytes: (length) => Uint8Array.from({ length }, () => next32() & 0xff),
  };
}

/**
 * The seed of this run: DBUS_SEED, or a new one. It is printed on standard error with the way to
 * repeat the run, so that a failure of a random test can be looked at again.
 */
export function testSeed(what = "random tests"): number {
  const given = process.env.DBUS_SEED;
  const seed = given ? Number(given) : Math.floor(Math.random() * 2 ** 31);
  if (!Number.isSafeInteger(seed)) throw new Error(`DBUS_SEED is not a whole number: ${given}`);
  process.stderr.write(`[seed] ${what}: DBUS_SEED=${seed} repeats this run\n`);
  return seed;
}

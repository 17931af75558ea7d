import { expect, test } from "bun:test";
import { holdsFor, seededRandom, waitFor } from "./index.ts";

test("waitFor returns what the condition answers at last", async () => {
  let asked = 0;
  const answer = await waitFor(() => (++asked < 3 ? undefined : "there"), { what: "an answer" });
  expect([answer, asked]).toEqual(["there", 3]);
});

test("waitFor says what did not come, and the last error of the condition", async () => {
  const never = waitFor(
    () => {
      throw new Error("refused");
    },
    { what: "a connection", timeoutMs: 30 },
  );
  await expect(never).rejects.toThrow("waited 30 ms for a connection (last error: refused)");
});

test("holdsFor sees a condition that ends, and is content with one that lasts", async () => {
  const started = performance.now();
  await holdsFor(() => true, { ms: 30, what: "the sky is up" });
  expect(performance.now() - started).toBeGreaterThanOrEqual(29);
  let asked = 0;
  const ends = holdsFor(() => ++asked < 3, { ms: 10_000, what: "calm" });
  await expect(ends).rejects.toThrow(/no longer after \d+ ms: calm/);
});

test("the same seed gives the same values, another seed others", () => {
  const values = (seed: number) => {
    const random = seededRandom(seed);
    return [random.next(), random.int(1, 1000), random.shuffle([1, 2, 3, 4, 5, 6])];
  };
  expect(values(7)).toEqual(values(7));
  expect(values(7)).not.toEqual(values(8));
});

test("int stays between its bounds and meets both", () => {
  const random = seededRandom(1);
  const seen = new Set(Array.from({ length: 200 }, () => random.int(3, 6)));
  expect([...seen].sort()).toEqual([3, 4, 5, 6]);
});

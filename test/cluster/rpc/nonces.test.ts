import { expect, test } from "bun:test";
import { createNonces, skewMs } from "#src/cluster/rpc/nonces.ts";
import { createManualClock } from "../../support/manual-clock.ts";

test("S2: a call is fresh once, and its room is free when its time is over", () => {
  const clock = createManualClock();
  const nonces = createNonces(clock, 2);
  const time = clock.wall();
  expect(nonces.take("a", time)).toBe("fresh");
  expect(nonces.take("a", time)).toBe("replayed");
  clock.advance(skewMs);
  expect(nonces.take("a", time)).toBe("replayed");
  clock.advance(1);
  expect(nonces.take("a", time)).toBe("stale");
  expect(nonces.size).toBe(0);
});

test("S2: more calls than can be remembered are refused, none is forgotten before its time", () => {
  const clock = createManualClock();
  const nonces = createNonces(clock, 2);
  const time = clock.wall();
  const all = ["a", "b", "c"].map((nonce) => nonces.take(nonce, time));
  expect(all).toEqual(["fresh", "fresh", "full"]);
  expect([nonces.take("a", time), nonces.take("b", time)]).toEqual(["replayed", "replayed"]);
});

test("S2: a wall clock that is set back lets nothing in again", () => {
  const clock = createManualClock();
  let shift = 0;
  const nonces = createNonces({ ...clock, wall: () => clock.wall() + shift });
  const time = clock.wall();
  expect(nonces.take("a", time)).toBe("fresh");
  shift = skewMs + 1;
  expect(nonces.take("b", time + shift)).toBe("fresh");
  shift = 0;
  expect(nonces.take("a", time)).toBe("stale");
  expect(nonces.take("c", time + 1)).toBe("fresh");
});

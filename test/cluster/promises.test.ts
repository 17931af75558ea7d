import { expect, test } from "bun:test";
import { createPromises, memoryOfPromise, type PromiseMemory } from "#src/cluster/agreement.ts";
import { keptPromise } from "#src/cluster/kept-promise.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { tempDir } from "../support/temp-dir.ts";

const promiseMs = 3_000;

test("a promise binds whoever is started under the name of one that was killed", () => {
  const clock = createManualClock();
  const dir = tempDir("promises");
  const start = () => createPromises(clock, promiseMs, keptPromise(dir));
  const first = start();
  expect(first.leftMs).toBe(0);
  expect(first.asked(true, ["a"])).toEqual({ lost: true, known: ["a"] });
  expect([first.leftMs, start().leftMs]).toEqual([promiseMs, promiseMs]);
  first.ended();
  expect(start().leftMs).toBe(0);
});

test("who has not lost ZooKeeper promises nothing", () => {
  const promises = createPromises(createManualClock(), promiseMs, memoryOfPromise());
  expect([promises.asked(false, []).lost, promises.leftMs]).toEqual([false, 0]);
});

test("a promise that cannot be kept is not given", () => {
  const full: PromiseMemory = {
    given: false,
    keep() {
      throw new Error("no space left on device");
    },
  };
  const promises = createPromises(createManualClock(), promiseMs, full);
  expect(() => promises.asked(true, [])).toThrow("no space");
  expect(promises.leftMs).toBe(0);
});

import { expect, test } from "bun:test";
import {
  behaviour,
  defineActor,
  type Message,
  type Received,
  type Self,
} from "#src/actor/actor.ts";
import type { Runnable } from "#src/actor/scheduler.ts";
import { createSystem } from "#src/actor/system.ts";
import { createManualClock } from "../support/manual-clock.ts";

type Probe = Message & { readonly text: string };

/** An actor whose messages wait until `turns` lets it take them, and what it was given by then. */
function setUp(
  begin: (self: Self<Probe>) => void,
  receive: (text: string, self: Self<Probe>) => Received = () => undefined,
) {
  const ready: Runnable[] = [];
  const seen: string[] = [];
  const actor = defineActor<null, null, Probe>({
    name: "a",
    init(_, self) {
      begin(self);
      return null;
    },
    receive(_, { text }, self) {
      seen.push(`${text} by ${self.incarnation}`);
      return receive(text, self);
    },
  });
  const made = behaviour(actor, null);
  const worker = { kind: "worker", id: "a", restart: "permanent", shutdownMs: 1000 } as const;
  const spec = { ...worker, behaviour: made };
  const limits = { intensity: 3, periodMs: 10_000, why: "for the test" };
  const backoff = { minMs: 100, maxMs: 1000, randomFactor: 0 };
  const root = { kind: "supervisor", id: "root", strategy: "one_for_one", ...limits } as const;
  const clock = createManualClock();
  const scheduler = { ready: (one: Runnable) => void ready.push(one) };
  const system = createSystem({ ...root, backoff, children: [spec] }, { clock, scheduler });
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  return {
    ...{ clock, system, seen, settle },
    tell: (text: string) => system.ref<Probe>("root/a").signal({ kind: "text", text }),
    again: () => system.change("root", { remove: [], replace: [spec], add: [] }),
    goes: () => system.change("root", { remove: ["a"], replace: [], add: [] }),
    async turns() {
      await settle();
      for (let one = ready.shift(); one; one = ready.shift()) if (one.run()) ready.push(one);
      await settle();
    },
  };
}

const said = (text: string): Probe => ({ kind: "text", text });
const failed = () => said("failed");

test("what an actor tells itself ends with its incarnation, also when it waits already", async () => {
  const { clock, system, seen, settle, tell, again, turns } = setUp((self) => {
    const number = self.incarnation;
    self.signal(said(`signal ${number}`));
    self.after(10, said(`timer ${number}`));
    self.pipe(Promise.resolve(), () => said(`result ${number}`), failed);
  });
  await system.start();
  clock.advance(10);
  tell("mail");
  await settle();
  await again();
  clock.advance(10);
  await turns();
  expect(seen).toEqual(["mail by 2", "signal 2 by 2", "result 2 by 2", "timer 2 by 2"]);
  await system.stop();
});

test("what it opened and never came to take is given back, once", async () => {
  const back: string[] = [];
  let opened = 0;
  let slow = Promise.resolve();
  const { system, seen, settle, again, goes, turns } = setUp((self) => {
    const name = `log ${++opened}`;
    const give = (value: string) => void back.push(value);
    self.pipe(
      slow.then(() => name),
      said,
      failed,
      give,
    );
  });
  await system.start();
  await settle();
  await again();
  expect(back).toEqual(["log 1"]);
  await turns();
  expect([seen, back]).toEqual([["log 2 by 2"], ["log 1"]]);
  // The third opens only after its incarnation has ended, the fourth waits in the mail of one that goes.
  const { promise, resolve } = Promise.withResolvers<void>();
  slow = promise;
  await again();
  slow = Promise.resolve();
  await again();
  resolve();
  await settle();
  expect(back).toEqual(["log 1", "log 3"]);
  await goes();
  expect(back).toEqual(["log 1", "log 3", "log 4"]);
  await turns();
  expect(seen).toEqual(["log 2 by 2"]);
  await system.stop();
});

test("one that fails over what it told itself leaves the mail behind it to the next", async () => {
  for (const how of ["fails", "throws", "rejects"]) {
    const { clock, system, seen, tell, turns } = setUp(
      (self) => self.signal(said(`of ${self.incarnation}`)),
      (text, self): Received => {
        if (text !== "of 1") return undefined;
        const error = new Error("as told");
        if (how === "throws") throw error;
        if (how === "rejects") return Promise.reject(error);
        self.fail(error);
        return undefined;
      },
    );
    await system.start();
    tell("first");
    tell("second");
    await turns();
    clock.advance(1_000);
    await turns();
    expect(seen).toEqual(["of 1 by 1", "first by 2", "second by 2", "of 2 by 2"]);
    await system.stop();
  }
});

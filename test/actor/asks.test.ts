import { expect, test } from "bun:test";
import { behaviour, defineActor, type Message, type Reply } from "#src/actor/actor.ts";
import { createSystem } from "#src/actor/system.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { waitFor } from "../support/wait-for.ts";

type Probe = Message & { readonly text: string; readonly reply: Reply<string> };

/** An actor that answers when it is told to, and what each of its incarnations was asked. */
function setUp() {
  const asked: string[] = [];
  const replies: Reply<string>[] = [];
  const actor = defineActor<null, { readonly incarnation: number }, Probe>({
    name: "a",
    init: (_, { incarnation }) => ({ incarnation }),
    receive({ incarnation }, { text, reply }) {
      asked.push(`${text} of ${incarnation}`);
      if (text === "throw") throw new Error("a bug");
      replies.push(reply);
      if (text === "wait") return new Promise(() => {});
      if (text === "at once") reply.resolve("done");
      return undefined;
    },
  });
  const spec = {
    ...({ kind: "worker", id: "a", restart: "permanent", shutdownMs: 1000 } as const),
    behaviour: behaviour(actor, null),
  };
  const limits = { intensity: 9, periodMs: 10_000, why: "for the test" };
  const backoff = { minMs: 100, maxMs: 1000, randomFactor: 0 };
  const root = { kind: "supervisor", id: "root", strategy: "one_for_one", ...limits } as const;
  const clock = createManualClock();
  const system = createSystem({ ...root, backoff, children: [spec] }, { clock, random: () => 0 });
  const state = () => system.status().children[0]?.state;
  return {
    ...{ system, asked, replies, state },
    /** What comes of it: the answer, or the code of the error. */
    ask: (text: string) =>
      system
        .ref<Probe>("root/a")
        .ask<string>((reply) => ({ kind: "probe", text, reply }))
        .catch(({ code, message }) => `${code}: ${message}`),
    fail: () => system.fail("root/a", new Error("from outside")),
    async again() {
      await waitFor(() => state() === "backoff", { what: "the backoff" });
      clock.advance(1_000);
      await waitFor(() => state() === "running", { what: "the next incarnation" });
    },
    seen: (count: number) => waitFor(() => asked.length === count, { what: `question ${count}` }),
  };
}

const ended = "ACTOR_UNAVAILABLE: root/a came to its end before it had answered";

test("an actor that fails answers all that it was asked with an error, and the next one none", async () => {
  const { system, ask, asked, replies, fail, again, seen } = setUp();
  await system.start();
  expect(await ask("at once")).toBe("done");
  const all = Promise.all([ask("later"), ask("wait"), ask("never taken")]);
  await seen(3);
  fail();
  expect(await all).toEqual([ended, ended, ended]);
  await again();
  expect(await ask("at once")).toBe("done");
  for (const { resolve } of replies) resolve("too late");
  expect(asked).toEqual(["at once of 1", "later of 1", "wait of 1", "at once of 2"]);
  await system.stop();
});

test("a question over which an actor fails is not asked again", async () => {
  const { system, ask, asked, again } = setUp();
  await system.start();
  expect(await ask("throw")).toBe(ended);
  await again();
  expect(await ask("at once")).toBe("done");
  expect(asked).toEqual(["throw of 1", "at once of 2"]);
  await system.stop();
});

test("one that does not run, or is stopped, answers with an error at once", async () => {
  const { system, ask, seen, fail, state } = setUp();
  const away = "ACTOR_UNAVAILABLE: root/a is not running";
  expect(await ask("at once")).toBe(away);
  await system.start();
  const later = ask("later");
  await seen(1);
  await system.stop();
  expect(await later).toBe(ended);
  expect(await ask("at once")).toBe(away);
  await system.start();
  fail();
  await waitFor(() => state() === "backoff", { what: "the backoff" });
  expect(await ask("at once")).toBe(away);
  await system.stop();
});

import { expect, test } from "bun:test";
import type { CheckpointStore } from "#src/checkpoint/store.ts";
import { DbusError } from "#src/errors.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { codeOf } from "../support/code-of.ts";
import { counterInput, probeOutput } from "../support/probe-plugins.ts";
import { inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

/** A bus with two inputs, of which a reload takes the second, over a state whose commits can fail. */
async function busWith(stopDeadlineMs: number) {
  const own = memoryState();
  const { checkpoints } = own;
  let commit: CheckpointStore["commit"] = checkpoints.commit;
  let commits = 0;
  const counted: CheckpointStore["commit"] = (all) => {
    commits++;
    return commit(all);
  };
  const out = probeOutput();
  const stays = inputEntry("stays", counterInput());
  const goes = inputEntry("goes", counterInput());
  const bus = await start({
    ...{ inputs: [stays, goes], outputs: [outputEntry("out", out.plugin, ["*"])] },
    bus: { stopDeadlineMs },
    state: { ...own, checkpoints: { ...checkpoints, commit: counted } },
  });
  const moves = async () => {
    const goal = out.written.length + 1_000;
    await waitFor(() => out.written.length > goal, { what: "more rows" });
  };
  await moves();
  return {
    ...{ bus, moves },
    become(next: CheckpointStore["commit"] = checkpoints.commit) {
      commit = next;
      commits = 0;
    },
    committing: () => waitFor(() => commits > 0, { what: "a commit that is under way" }),
    without: () => bus.reload({ inputs: [stays] }),
    held: () =>
      waitFor(() => bus.wiring.inputs[1]?.partitions.held && bus.wiring.inputs[1], {
        what: "an input that is held for the reload",
      }).then((node) => waitFor(() => node?.partitions.inFlight === 0, { what: "nothing left" })),
    inputs: () => bus.wiring.inputs.map(({ entry }) => entry.name),
  };
}

const hangs = () => new Promise<void>(() => {});

test("a checkpoint actor that fails amid a commit refuses the reload that waits for it", async () => {
  const { bus, moves, become, committing, without, held, inputs } = await busWith(600_000);
  become(hangs);
  await committing();
  const refused = codeOf(without());
  await held();
  bus.system.fail("engine/checkpoint", new Error("its store threw in a callback"));
  expect(await refused).toBe("ACTOR_UNAVAILABLE");
  become();
  const isAnew = () => bus.admin.stat().ready && bus.admin.supervisor().children[0]?.restarts === 1;
  await waitFor(isAnew, { what: "a bus that runs again" });
  await moves();
  expect(inputs()).toEqual(["stays", "goes"]);
  expect(await without()).toMatchObject({ outcome: "applied" });
  expect(inputs()).toEqual(["stays"]);
  await moves();
});

test("a commit that the disk has no room for refuses it too, and so does one that never ends", async () => {
  const { moves, become, committing, without, inputs } = await busWith(1_000);
  become(() => Promise.reject(new DbusError("STATE_UNWRITABLE", "database or disk is full")));
  expect(await codeOf(without())).toBe("STATE_UNWRITABLE");
  await moves();
  become(hangs);
  await committing();
  expect(await codeOf(without())).toBe("RELOAD_HELD");
  expect(inputs()).toEqual(["stays", "goes"]);
  become();
  await moves();
});

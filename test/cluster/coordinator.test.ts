import { systemClock } from "#src/clock.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { coordinatorContract } from "../contract/coordinator.ts";
import { createProcessClock, createSimClock } from "../simulation/cluster/sim-clock.ts";
import { createSimZookeeper } from "../simulation/cluster/sim-zookeeper.ts";
import { waitFor } from "../support/index.ts";
import { seededRandom } from "../support/random.ts";

coordinatorContract("in this process", async (root) => {
  const coordinator = createEmbeddedCoordinator(systemClock);
  const [one, other] = [coordinator.open(), coordinator.open()];
  await waitFor(() => other.state === "connected", { what: "the sessions" });
  return { one, other, root, end: async () => void (await other.close()) };
});

coordinatorContract("simulated", async (root) => {
  const clock = createSimClock();
  const zookeeper = createSimZookeeper(clock, seededRandom(1), { timeoutMs: 4_000, lostChance: 0 });
  const link = { reaches: () => true, extraMs: () => 0, ended() {} };
  const [one, other] = [0, 1].map(() => zookeeper.open(createProcessClock(clock, 1), link));
  if (!one || !other) throw new Error("no sessions");
  let over = false;
  // Its time goes on as fast as its promises do.
  const goOn = (): void => {
    if (over) return;
    clock.step(clock.now + 100);
    setImmediate(goOn);
  };
  goOn();
  await waitFor(() => other.state === "connected", { what: "the sessions" });
  return {
    ...{ one, other, root },
    async end() {
      over = true;
    },
  };
});

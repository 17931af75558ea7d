import { seededRandom } from "../../support/random.ts";
import { createWorld, type SimProcess, type SimWorld, sessionTimeoutMs } from "./sim-world.ts";

export type Outcome = {
  /** What was done wrong, in words; undefined when nothing was. */
  readonly wrong: string | undefined;
  readonly emitted: number;
  readonly decisions: number;
  readonly faults: number;
};

const faultsMs = 25_000;
/** Who was told to leave at the last moment is back by then. */
const lastReturnMs = 8_000;
/** After the last fault: sessions end, leaders are elected, failed resources are tried again. */
const calmMs = lastReturnMs + 3 * sessionTimeoutMs;

/** One world with faults for a while, and then none: safety all the time, progress in the end. */
export async function runScenario(
  seed: number,
  look: (world: SimWorld) => void = () => {},
): Promise<Outcome> {
  const random = seededRandom(seed);
  const world = createWorld({
    random,
    processes: random.int(1, 4),
    resources: random.int(1, 6),
    settings: { onCoordinatorLost: random.pick(["auto", "auto", "pause"]) },
  });
  look(world);
  for (const process of world.processes) {
    world.clock.at(random.int(0, 500), () => world.start(process));
  }
  let faults = 0;
  let time = 1_000;
  while (time < faultsMs) {
    time += random.int(50, 4_000);
    const fault = drawFault(world, seededRandom(seed * 31 + faults));
    world.clock.at(time, fault);
    faults++;
  }
  await world.run(faultsMs);
  heal(world);
  await world.run(faultsMs + calmMs);
  const { violations, emitted, decisions } = world;
  const rows = [...emitted.values()].reduce((sum, count) => sum + count, 0);
  const told = { emitted: rows, decisions, faults };
  const [first] = violations;
  if (first) return { wrong: `at ${Math.round(first.at)} ms: ${first.what}`, ...told };
  // One that is just being opened at its new owner has a moment more.
  const away = world.unread();
  await world.run(faultsMs + calmMs + 3_000);
  const unread = world.unread().filter((rid) => away.includes(rid));
  if (unread.length > 0) return { wrong: `in the end nobody reads ${unread.join(", ")}`, ...told };
  return { wrong: await moves(world, faultsMs + calmMs + 3_000), ...told };
}

/** A cluster at rest decides nothing. */
async function moves(world: SimWorld, since: number): Promise<string | undefined> {
  const before = world.decisions;
  await world.run(since + 5_000);
  const more = world.decisions - before;
  return more === 0 ? undefined : `${more} decisions were made although nothing has changed`;
}

function drawFault(world: SimWorld, random: ReturnType<typeof seededRandom>): () => void {
  const process = random.pick(world.processes);
  const ms = random.pick([200, 1_000, 2_900, 5_000, 9_000]) * (0.5 + random.next());
  const later = (work: () => void) => world.clock.at(world.clock.now + ms, work);
  const kind = random.pick([
    ...["crash", "crash", "stop", "stop", "cut", "cut", "zookeeper", "wall", "drain"],
  ]);
  return () => {
    switch (kind) {
      case "crash":
        if (process.node) world.crash(process);
        later(() => {
          if (!process.node) world.start(process);
        });
        return;
      case "stop":
        process.stopped = true;
        process.clock.stop();
        later(() => resume(process));
        return;
      case "cut":
        process.network = false;
        later(() => {
          process.network = true;
        });
        return;
      case "zookeeper":
        world.zookeeper.up = false;
        later(() => {
          world.zookeeper.up = true;
        });
        return;
      case "wall":
        process.clock.jumpWall(random.pick([-3_600_000, 3_600_000, -5_000, 5_000]));
        return;
      case "drain":
        leaveAndComeBack(world, process, later);
    }
  };
}

function resume(process: SimProcess): void {
  process.stopped = false;
  process.clock.go();
}

/** In good order, as an upgrade does it. */
function leaveAndComeBack(
  world: SimWorld,
  process: SimProcess,
  later: (work: () => void) => void,
): void {
  const { node } = process;
  if (!node || process.stopped) return;
  void node.stop(5_000).then(() => {
    if (process.node === node) world.crash(process);
    const comeBack = () => {
      if (!process.node) world.start(process);
    };
    if (world.faulty) later(comeBack);
    else comeBack();
  });
}

function heal(world: SimWorld): void {
  world.zookeeper.up = true;
  world.faulty = false;
  for (const process of world.processes) {
    process.network = true;
    resume(process);
    if (!process.node) world.start(process);
  }
}

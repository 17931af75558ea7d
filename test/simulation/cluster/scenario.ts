import { claimPath, participantPath } from "#src/cluster/paths.ts";
import { type Random, seededRandom } from "../../support/random.ts";
import { type Fault, type FaultKind, faults, leave, wish } from "./faults.ts";
import { createWorld, type SimProcess, type SimWorld, sessionTimeoutMs } from "./sim-world.ts";

export type Outcome = {
  /** What was done wrong, in words; undefined when nothing was. */
  readonly wrong: string | undefined;
  readonly emitted: number;
  readonly decisions: number;
  readonly faults: number;
};

/** What happens to a world: a mood has faults that meet one another, and seldom others. */
export type Mood = {
  readonly kinds: readonly FaultKind[];
  readonly processes: readonly [number, number];
  readonly lostChance: readonly number[];
  /** When the last process comes for the first time, in half of the worlds. */
  readonly lateMs?: readonly [number, number];
  /** From when to when the first two do not reach ZooKeeper. */
  readonly awayMs?: readonly [number, number];
  /** From when to when the last process comes to nothing, while what it has is to go elsewhere. */
  readonly dazedMs?: readonly [number, number];
  /** When one that does not lead falls silent for good, and its session lives. */
  readonly stuckMs?: number;
  /** The longest that a resource may stand still, where nobody dies. */
  readonly pauseMaxMs?: number;
};

const all: readonly FaultKind[] = [
  ...(["crash", "crash", "stop", "stop", "cut", "cut", "zookeeper", "wall", "drain"] as const),
  ...(["busy", "slow", "away", "deposed", "wish"] as const),
];
const seldom = [0.004, 0.004, 0.03];

export const moods = {
  storm: { kinds: all, processes: [1, 4], lostChance: seldom },
  /** ZooKeeper is gone for everybody, and is back for one after the other. */
  away: {
    ...{ kinds: ["away", "away", "zookeeper", "cut"], processes: [2, 3], lostChance: [0.004] },
    lateMs: [2_000, 20_000],
  },
  /** One is cut off from everything, and the others take what it read. */
  cut: { kinds: ["cut"], processes: [2, 3], lostChance: [0] },
  /** Those who have a right lose it while they live. */
  deposed: {
    kinds: ["busy", "busy", "deposed", "slow", "wish", "drain"],
    processes: [2, 4],
    lostChance: seldom,
  },
  /** Connections go all the time. */
  lossy: { kinds: ["crash", "deposed", "cut"], processes: [1, 3], lostChance: [0.03] },
  /** One comes to nothing for good, though its heart beats, and is given what another had. */
  stuck: { kinds: ["wall"], processes: [3, 3], lostChance: [0.004], stuckMs: 3_000 },
  /** One comes to itself when all that it had was taken from it, and its session lives. */
  dazed: { kinds: ["wall"], processes: [2, 3], lostChance: [0], dazedMs: [4_000, 23_000] },
  /** Somebody comes for the first time while nobody else has ZooKeeper. */
  newcomer: {
    ...{ kinds: ["wall"], processes: [3, 3], lostChance: [0] },
    ...{ lateMs: [9_000, 11_000], awayMs: [5_000, 14_000] },
  },
  /** One after the other leaves in good order and comes back. */
  upgrade: { kinds: ["drain"], processes: [2, 4], lostChance: [0], pauseMaxMs: 3_000 },
} as const satisfies Readonly<Record<string, Mood>>;

export type MoodName = keyof typeof moods;
const mixed: readonly MoodName[] = [
  ...(["storm", "storm", "storm", "storm", "away", "away", "deposed", "deposed", "lossy"] as const),
  ...(["stuck", "dazed", "newcomer", "cut"] as const),
];

const faultsMs = 25_000;
/** Whatever was cut off or fell silent is found out, and read elsewhere. */
const calmMs = 3 * sessionTimeoutMs;
/** Moves for balance, one after the other, come to an end. */
const balanceMs = 12_000;
const restMs = 4_000;

export type ScenarioOptions = {
  readonly mood?: MoodName;
  readonly look?: (world: SimWorld) => void;
};

/** One world with faults for a while, and then none: safety all the time, progress in the end. */
export async function runScenario(seed: number, options: ScenarioOptions = {}): Promise<Outcome> {
  const random = seededRandom(seed);
  const drawn = random.chance(0.1) ? "upgrade" : random.pick(mixed);
  const mood: Mood = moods[options.mood ?? drawn];
  const world = createWorld({
    random,
    processes: random.int(...mood.processes),
    resources: random.int(1, 6),
    lostChance: random.pick(mood.lostChance),
    settings: { onCoordinatorLost: random.pick(["auto", "auto", "pause"]) },
  });
  options.look?.(world);
  const late = mood.lateMs !== undefined && random.chance(0.5) ? random.int(...mood.lateMs) : 0;
  for (const [n, process] of world.processes.entries()) {
    const isLate = late > 0 && n === world.processes.length - 1;
    const at = isLate ? late : random.int(0, 500);
    world.clock.at(at, () => {
      if (!process.node) world.start(process);
    });
  }
  const { stuckMs } = mood;
  const last = world.processes.at(-1);
  if (stuckMs !== undefined) planStuck(world, stuckMs);
  if (mood.awayMs) planAway(world, mood.awayMs);
  if (mood.dazedMs && last) planDaze(world, last, mood.dazedMs, random);
  const planned =
    mood.pauseMaxMs === undefined
      ? plan(world, mood, seed, random)
      : planUpgrade(world, mood.pauseMaxMs);
  await world.run(faultsMs);
  heal(world, stuckMs === undefined);
  const wrong = stuckMs === undefined ? await comesToRest(world) : await readsAround(world);
  const { violations, emitted, checks } = world;
  const [first] = violations;
  const rows = [...emitted.values()].reduce((sum, count) => sum + count, 0);
  return {
    wrong: first ? `at ${Math.round(first.at)} ms: ${first.what}` : wrong,
    ...{ emitted: rows, decisions: checks.decisions, faults: planned },
  };
}

function plan(world: SimWorld, mood: Mood, seed: number, random: Random): number {
  let count = 0;
  for (let time = 1_000 + random.int(50, 4_000); time < faultsMs; time += random.int(50, 4_000)) {
    const own = seededRandom(seed * 31 + count++);
    const fault: Fault = faults[own.pick(mood.kinds)];
    world.clock.at(time, fault(world, own));
  }
  return count;
}

function planStuck(world: SimWorld, at: number): void {
  const { clock, processes } = world;
  clock.at(at, () => {
    const [one, other] = processes.filter(({ node }) => node?.epoch === null);
    one?.clock.busy();
    if (other) leave(world, other, (comeBack) => void clock.at(clock.now + 15_000, comeBack));
  });
}

function planAway({ clock, processes }: SimWorld, [from, to]: readonly [number, number]): void {
  for (const process of processes.slice(0, 2)) {
    for (const [at, reached] of [
      [from, false],
      [to, true],
    ] as const) {
      clock.at(at, () => {
        process.zookeeper = reached;
      });
    }
  }
}

function planDaze(
  world: SimWorld,
  process: SimProcess,
  [from, to]: readonly [number, number],
  random: Random,
): void {
  const { clock, processes } = world;
  clock.at(from, () => {
    const [other] = processes;
    process.clock.busy();
    for (const rid of process.host?.running.keys() ?? []) if (other) wish(world, rid, other);
  });
  clock.at(to - random.int(0, 3_000), () => process.clock.idle());
}

/** A rolling upgrade: nothing stands still for longer than it takes to close and to open it. */
function planUpgrade(world: SimWorld, pauseMaxMs: number): number {
  const { clock, processes } = world;
  world.faulty = false;
  let next = 0;
  let leaves = 0;
  const watch = (): void => {
    for (const [rid, at] of world.emittedAt) {
      const pause = clock.now - at;
      if (pause > pauseMaxMs) world.violated(`${rid} stands still for ${Math.round(pause)} ms`);
    }
    clock.at(clock.now + 100, watch);
  };
  const one = (): void => {
    const process = processes[next++ % processes.length];
    if (process && processes.every(({ node, leaving }) => node && !leaving)) leave(world, process);
  };
  for (let at = 5_000; at < faultsMs - 4_000; at += 6_000, leaves++) clock.at(at, one);
  clock.at(5_000, watch);
  return leaves;
}

/** Everybody is back; then every resource is read within three session timeouts, and it is quiet. */
async function comesToRest(world: SimWorld): Promise<string | undefined> {
  const { clock, processes, checks } = world;
  const step = () => world.run(clock.now + 250);
  const isGone = () => processes.some(({ node, leaving }) => !node || leaving);
  while (isGone() && world.violations.length === 0) {
    await step();
    if (clock.now > faultsMs + 60_000) return "somebody who leaves never comes back";
  }
  const backAt = clock.now;
  let missing = world.unread();
  while (missing.length > 0 && clock.now < backAt + calmMs) {
    await step();
    if (world.violations.length > 0) return undefined;
    const still = world.unread();
    missing = missing.filter((rid) => still.includes(rid));
  }
  // Not as an older session that has yet to end.
  const { tree } = world.zookeeper.server;
  const hasJoined = ({ pid, session }: SimProcess) =>
    tree.get(participantPath(pid))?.stat.ephemeralOwner === session;
  while (!processes.every(hasJoined) && clock.now < backAt + calmMs) {
    await step();
    // Time stands still where something was done wrong.
    if (world.violations.length > 0) return undefined;
  }
  if (missing.length > 0) return `nobody reads ${missing.join(", ")} although all is well`;
  const before = new Map(checks.revoked);
  let decisions = checks.decisions;
  let quietSince = clock.now;
  while (clock.now < quietSince + restMs) {
    await step();
    if (world.violations.length > 0) return undefined;
    const isLed = processes.some(({ node }) => node !== undefined && node.epoch !== null);
    if (!isLed && clock.now > backAt + calmMs) return "nobody leads";
    if (!isLed || checks.decisions > decisions || world.unread().length > 0) quietSince = clock.now;
    decisions = checks.decisions;
    if (clock.now > backAt + calmMs + balanceMs) return "it never comes to rest";
  }
  for (const [rid, times] of checks.revoked) {
    // What was wished and is done is balanced again afterwards.
    if (world.wished.size > 0) break;
    // Once by a decision that had not seen the last who came, and once by one that had.
    if (times > (before.get(rid) ?? 0) + 2) return `${rid} goes to and fro although all is well`;
  }
  return undefined;
}

/** What a silent one has not claimed is given to others, though it might answer at any moment. */
async function readsAround(world: SimWorld): Promise<string | undefined> {
  const { tree } = world.zookeeper.server;
  const isWaiting = (rid: string) => tree.get(claimPath(rid)) === undefined;
  const until = world.clock.now + 6 * sessionTimeoutMs;
  let missing = world.unread().filter(isWaiting);
  while (missing.length > 0 && world.clock.now < until) {
    if (world.violations.length > 0) return undefined;
    await world.run(world.clock.now + 250);
    const still = world.unread();
    missing = missing.filter((rid) => still.includes(rid));
  }
  return missing.length > 0 ? `nobody reads ${missing.join(", ")} for one is silent` : undefined;
}

function heal(world: SimWorld, wakes: boolean): void {
  world.zookeeper.up = true;
  world.zookeeper.lostChance = Math.min(world.zookeeper.lostChance, 0.004);
  world.faulty = false;
  for (const process of world.processes) {
    process.network = true;
    process.zookeeper = true;
    process.extraMs = 0;
    process.clock.go();
    if (wakes) process.clock.idle();
    if (!process.node) world.start(process);
  }
}

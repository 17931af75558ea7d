import { assignResources } from "#src/cluster/assignment/assign.ts";
import {
  type AssignmentProblem,
  type Candidate,
  defaultPolicy,
  type Wanted,
} from "#src/cluster/assignment/problem.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import type { Result } from "./result.ts";

const participants = 50;

/** Decides anew for a thousand resources on fifty participants; no server takes part. */
export const rebalance: Bench = {
  name: "rebalance",
  summary: "1,000 resources on 50 participants: a decision, and moves against the least there are",
  peers: [],
  defaults: { seconds: 0, rows: 1_000 },
  run,
};

const someone = (n: number): Candidate => ({
  ...{ id: `p${String(n).padStart(3, "0")}`, weight: 1, tags: [], tenants: [], draining: false },
});

/** Costs of 1 to 5, so that shares are not all alike. */
const resource = (n: number): Wanted => ({
  ...{ id: `r${String(n).padStart(5, "0")}`, cost: 1 + (n % 5), group: undefined, tags: [] },
  ...{ tenant: undefined, ready: true, lastOwner: undefined, wish: undefined, underWay: false },
  ...{ failedOn: [], waits: false },
});

type Settled = {
  readonly owners: ReadonlyMap<string, string>;
  readonly moves: number;
  readonly decisions: number;
  /** The longest time that one decision took. */
  readonly msMax: number;
};

/** Decides and does what was decided until there is nothing more to do. */
function settle(first: AssignmentProblem): Settled {
  const owners = new Map(first.owners);
  let moves = 0;
  let decisions = 0;
  let msMax = 0;
  for (;;) {
    const started = performance.now();
    const { assign, revoke } = assignResources({ ...first, owners });
    msMax = Math.max(msMax, performance.now() - started);
    if (assign.size + revoke.size === 0) return { owners, moves, decisions, msMax };
    decisions++;
    for (const [id, { to }] of revoke) owners.set(id, to);
    for (const [id, to] of assign) owners.set(id, to);
    moves += revoke.size + assign.size;
  }
}

async function run({ rows: count }: BenchOptions): Promise<readonly Result[]> {
  const all = Array.from({ length: participants }, (_, n) => someone(n));
  const resources = Array.from({ length: count }, (_, n) => resource(n));
  const policy = defaultPolicy(count);
  const problem = { participants: all, resources, owners: new Map(), policy };
  // The runtime's compiler is not what is measured.
  for (let n = 0; n < 3; n++) settle(problem);
  const fresh = settle(problem);
  const joined = settle({
    ...problem,
    participants: [...all, someone(participants)],
    owners: fresh.owners,
  });
  const left = new Map([...fresh.owners].filter(([, owner]) => owner !== someone(0).id));
  const orphans = count - left.size;
  const gone = settle({ ...problem, participants: all.slice(1), owners: left });
  const cost = resources.reduce((sum, one) => sum + one.cost, 0);
  // The joiner's share in the dearest resources: fewer moves cannot fill it.
  const least = Math.ceil(cost / (participants + 1) / 5);
  say(
    `from nothing ${fresh.decisions} decisions, a joiner ${joined.decisions}, a leaver ${gone.decisions}`,
  );
  return [
    timeOf("one decision, all of them new", fresh.msMax),
    timeOf("one decision, after one has joined", joined.msMax),
    timeOf("one decision, after one has left", gone.msMax),
    movesOf("moves to one who joins", joined.moves, least),
    movesOf("moves of one who leaves", gone.moves, orphans),
  ];
}

const ours = { rssMiBMax: 0, cpuSeconds: 0 };

const timeOf = (name: string, ms: number): Result => ({
  ...{ case: name, rate: ms, unit: "ms", ...ours },
});

/** `least` is what no assignment can do with fewer of. */
const movesOf = (name: string, moves: number, least: number): Result => ({
  ...{ case: name, rate: moves, unit: "moves", ...ours, ratio: { least: moves / least } },
});

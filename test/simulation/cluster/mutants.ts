import type { MoodName } from "./scenario.ts";

/** In `file` below `src/cluster`, `find` becomes `put`. */
export type Edit = { readonly file: string; readonly find: string; readonly put: string };

/** One way to break the cluster: all that stands for one idea is taken out, also where it is twice. */
export type Mutant = {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The kind of world that finds it soon. */
  readonly mood?: MoodName;
};

const noFence: Edit = {
  file: "fenced-writes.ts",
  find: "const results = await session.multi([...fences, ...operations]);\n      return results.slice(fences.length);",
  put: "return await session.multi(operations);",
};

/** Leaders write without their fence; owners keep theirs. */
const noLeaderFence: Edit = {
  ...noFence,
  put: "if (fences.length > 1) return await session.multi(operations);\n      const results = await session.multi([...fences, ...operations]);\n      return results.slice(fences.length);",
};

const noClaimTimeout: Edit = {
  file: "leader.ts",
  find: '      state === "assigned"\n        ? settings.claimTimeoutMs',
  put: '      state === "assigned"\n        ? undefined',
};

/**
 * What must not come back, each put into a copy of the code that the simulation then has to find
 * wrong. The numbers are those of `docs/seed-defects.md`.
 */
export const mutants: readonly Mutant[] = [
  {
    name: "defect 38: a checkpoint is written by whoever once owned the resource, at any version",
    edits: [
      {
        file: "owned-checkpoint.ts",
        find: "const version = checkpoint?.version;\n    const data = encode(record);\n    try {\n      const [done] = await write([",
        put: "const version = (await session.exists(path))?.version;\n    const data = encode(record);\n    try {\n      const [done] = await session.multi([",
      },
    ],
    mood: "deposed",
  },
  {
    name: "defect 39: a leader that was replaced writes its decision all the same",
    edits: [noLeaderFence],
    mood: "deposed",
  },
  {
    name: "defect 40: an epoch that cannot be read is 0",
    edits: [
      {
        file: "election.ts",
        find: "= await readEpoch(session, memory);",
        put: "= await readEpoch(session, memory).catch(async () => {\n    const now = await session.exists(paths.leaderEpoch);\n    return { epoch: 0, version: now?.version ?? 0 };\n  });",
      },
    ],
    mood: "lossy",
  },
  {
    name: "defect 41: who could not raise the epoch leads all the same",
    edits: [
      {
        file: "election.ts",
        find: "await leaderGone(session);\n      return undefined;",
        put: "return { epoch, write: (operations) => session.multi(operations) };",
      },
    ],
    mood: "lossy",
  },
  {
    name: "defect 42: who has won without hearing of it waits for itself to lose",
    edits: [
      { file: "election.ts", find: "if (!(await isOurs(session, self, epoch))) {", put: "{" },
      {
        file: "election.ts",
        find: "if (there.ephemeralOwner === session.id) await remove(session, paths.leader);\n  else await promise;",
        put: "await promise;",
      },
    ],
    mood: "lossy",
  },
  {
    name: "defect 43: who has lost its session goes on reading",
    edits: [
      {
        file: "participant.ts",
        find: "for (const rid of holdings.keys()) host.fence(rid);\n      holdings.clear();",
        put: "holdings.clear();",
      },
    ],
  },
  {
    name: "defect 44: a resource is given away while its owner still has it",
    edits: [
      {
        file: "observe.ts",
        find: "  if (claim) return claim.record.state;",
        put: '  if (claim && decision?.revoke[rid]?.from === owner && decision.gen > gen) return "released";\n  if (claim) return claim.record.state;',
      },
      {
        file: "leader.ts",
        find: 'states.get(rid) === "released" ? unlessExists(claimPath(rid)) : []',
        put: "[]",
      },
    ],
  },
  {
    name: "defect 45: closed means that it was told to close",
    edits: [
      {
        file: "owned-resource.ts",
        find: "await host.close(rid, drainMs);",
        put: "const closed = host.close(rid, drainMs);\n      void closed;",
      },
    ],
    mood: "upgrade",
  },
  {
    name: "defect 46: a participant that does not answer is waited for",
    edits: [
      noClaimTimeout,
      { file: "leader.ts", find: "? settings.closeTimeoutMs", put: "? undefined" },
    ],
    mood: "stuck",
  },
  {
    name: "defect 46: a participant that may still run is taken for gone at once",
    edits: [
      {
        file: "leader.ts",
        find: "return clock.now() - known.since >= waitsFor;",
        put: "return true;",
      },
    ],
    mood: "deposed",
  },
  {
    name: "defect 47: whatever leader there is, is deleted",
    edits: [
      {
        file: "election.ts",
        find: "if (leader?.ephemeralOwner === session.id) await",
        put: "if (leader) await",
      },
    ],
    mood: "deposed",
  },
  {
    name: "defect 48: what an older decision gave is taken all the same",
    edits: [
      {
        file: "owned-resource.ts",
        find: 'await write([{ kind: "create", path, data: claim("opening"), mode: "ephemeral" }]);',
        put: 'await session.create(path, claim("opening"), { mode: "ephemeral" });',
      },
    ],
    mood: "deposed",
  },
  {
    name: "defect 49: every look decides anew, though nothing has changed",
    edits: [
      {
        file: "leader.ts",
        find: "if (answer.assign.size + answer.revoke.size > 0 && !isSame(answer, census.decision)) {",
        put: "if (answer.assign.size + answer.revoke.size >= 0) {",
      },
    ],
  },
  {
    name: "defect 49: a decision that could not be written counts as made",
    edits: [
      {
        file: "leader.ts",
        find: "      await announce(census, states, { ...answer, assign });",
        put: "      const key = JSON.stringify([[...answer.assign], [...answer.revoke]]);\n      if (failures.has(key)) return;\n      failures.set(key, { fence: 0, since: 0 });\n      await announce(census, states, { ...answer, assign });",
      },
    ],
    mood: "lossy",
  },
  {
    name: "defect 50: it is divided by how many there are, none of them too",
    edits: [
      {
        file: "assignment/assign.ts",
        find: "const wished = wishOf(unit, loads);\n  if (wished) return wished;",
        put: "const wished = loads[unit.cost % loads.length] as Load;\n  if (wished.candidate) return wished;",
      },
    ],
  },
  {
    name: "defect 51: a resource comes in two steps, and half of one stops everything",
    edits: [
      {
        file: "register-resources.ts",
        find: "await write(operations);",
        put: "for (const one of operations) await write([one]);",
      },
    ],
    mood: "lossy",
  },
  {
    name: "defect 52: nobody hears of what could not be opened",
    edits: [
      {
        file: "observe.ts",
        find: 'status?.state === "failed" && ',
        put: 'status?.reason === "" && ',
      },
      noClaimTimeout,
    ],
  },
  {
    name: "defect 52: why a resource could not be opened is not said",
    edits: [
      {
        file: "owned-resource.ts",
        find: "await again(clock, () => sayFailed(error));",
        put: "void sayFailed;\n        void error;",
      },
    ],
  },
  {
    name: "defect 52: who cannot be listed is not there",
    edits: [
      {
        file: "census.ts",
        find: "const pids = await namesIn(session, paths.participants, changed);",
        put: "const pids = await namesIn(session, paths.participants, changed).catch(() => []);",
      },
    ],
    mood: "lossy",
  },
  {
    name: "defect 55: who leaves closes first and says so last",
    edits: [
      {
        file: "participant.ts",
        find: 'await again(clock, () => register(session, self, deps.profile, "draining"));',
        put: "",
      },
      {
        file: "participant.ts",
        find: "if (holdings.size > 0) await emptied.promise;",
        put: "if (holdings.size > 0) await emptied.promise;\n    await sleep(clock, 4_000);",
      },
    ],
    mood: "upgrade",
  },
  {
    name: "nobody looks at a version: neither leaders nor owners",
    edits: [noFence],
    mood: "deposed",
  },
  {
    name: "nobody looks at the lease",
    edits: [{ file: "lease.ts", find: "return leftMs() > 0;", put: "return leftMs() >= 0;" }],
    mood: "cut",
  },
  {
    name: "a promise is forgotten when ZooKeeper is back",
    edits: [
      {
        file: "agreement.ts",
        find: "return Math.max(0, until - clock.now());",
        put: "return 0;",
      },
    ],
    mood: "away",
  },
  {
    name: "a decision is told before it is written",
    edits: [
      {
        file: "leader.ts",
        find: "    // The decision goes with the first of them",
        put: "    for (const [pid, { rpc }] of participants) if (rpc) deps.ring(pid, rpc, gen);\n    // The decision goes with the first of them",
      },
    ],
  },
  {
    name: "what a decision gives is given before the decision is written",
    edits: [
      {
        file: "leader.ts",
        find: "await write([...first, ...part.flat()]);\n      first = [];",
        put: "await write(part.flat());",
      },
    ],
  },
  {
    name: "what was settled before another owned it is taken up all the same",
    edits: [
      {
        file: "owned-checkpoint.ts",
        find: "const mine = deps.prev?.pid === self.pid && deps.prev.fence === entry.fence;",
        put: "const mine = deps.prev !== undefined;",
      },
    ],
  },
  {
    name: "what was settled is taken up though a newer checkpoint was written since",
    edits: [
      {
        file: "owned-checkpoint.ts",
        find: "if (entry.seq > stored && mine) await",
        put: "if (mine) await",
      },
    ],
    mood: "lossy",
  },
  {
    name: "a leader decides over those who would not ask it",
    edits: [
      {
        file: "membership.ts",
        find: "if (unaware.length === 0) return;",
        put: "if (unaware) return;",
      },
    ],
    mood: "newcomer",
  },
  {
    name: "who comes to itself goes on with what was taken from it",
    edits: [
      {
        file: "node.ts",
        find: "(leaseOf(session, clock).valid && participant.informed)",
        put: "leaseOf(session, clock).valid",
      },
    ],
    mood: "dazed",
  },
  {
    name: "a revocation that is under way is forgotten by the next decision",
    edits: [
      {
        file: "answer.ts",
        find: "const underWay = isMoved && ",
        put: "const underWay = resources.length === 0 && isMoved && ",
      },
      {
        file: "participant.ts",
        find: "lastFull = Number.NEGATIVE_INFINITY;\n    if (leaving",
        put: "if (leaving",
      },
    ],
    mood: "upgrade",
  },
];

/** One way to break the cluster: in `file` below `src/cluster`, `find` becomes `put`. */
export type Mutant = {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly put: string;
};

/**
 * What must not come back, each put into a copy of the code that the simulation then has to find
 * wrong. The numbers are those of `docs/seed-defects.md`.
 */
export const mutants: readonly Mutant[] = [
  {
    name: "nobody looks at the lease",
    file: "lease.ts",
    find: "return leftMs() > 0;",
    put: "return leftMs() >= 0;",
  },
  {
    name: "a resource is assigned before its owner has closed it (44, 45)",
    file: "observe.ts",
    find: "  if (claim) return claim.record.state;",
    put: `  if (claim && decision?.revoke[rid]?.from === owner && decision.gen > gen) return "released";
  if (claim) return claim.record.state;`,
  },
  {
    name: "an agreement is taken up again after it had ended",
    file: "agreement.ts",
    find: "if (signal.aborted || !deps.stillValid()) return;",
    put: "if (signal.aborted) return;",
  },
  {
    name: "only those who are alive are asked whether they have lost ZooKeeper",
    file: "membership.ts",
    find: "const { names } = await session.children(paths.members, news);",
    put: "const { names } = await session.children(paths.participants, news);",
  },
  {
    name: "what was settled before another owned it is taken up all the same",
    file: "owned-checkpoint.ts",
    find: "const mine = deps.prev?.pid === self.pid && deps.prev.fence === entry.fence;",
    put: "const mine = deps.prev !== undefined;",
  },
  {
    name: "what was settled is taken up though a newer checkpoint was written since",
    file: "owned-checkpoint.ts",
    find: "if (entry.seq > stored && mine) await",
    put: "if (mine) await",
  },
  {
    name: "every look decides anew, though nothing has changed (49)",
    file: "leader.ts",
    find: "if (answer.assign.size + answer.revoke.size > 0 && !isSame(answer, census.decision)) {",
    put: "if (answer.assign.size + answer.revoke.size >= 0) {",
  },
];

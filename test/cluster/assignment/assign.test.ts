import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { assignResources } from "#src/cluster/assignment/assign.ts";
import {
  type AssignmentProblem,
  type Candidate,
  defaultPolicy,
  type Wanted,
} from "#src/cluster/assignment/problem.ts";

const someone = (id: string, more: Partial<Candidate> = {}): Candidate => ({
  ...{ id, weight: 1, tags: [], tenants: [], draining: false },
  ...more,
});
const resource = (id: string, more: Partial<Wanted> = {}): Wanted => ({
  ...{ id, cost: 1, group: undefined, tags: [], tenant: undefined },
  ...{ ready: true, lastOwner: undefined, wish: undefined, underWay: false, failedOn: [] },
  waits: false,
  ...more,
});
const problem = (more: Partial<AssignmentProblem>): AssignmentProblem => ({
  ...{ participants: [], resources: [], owners: new Map() },
  policy: defaultPolicy(more.resources?.length ?? 0),
  ...more,
});
const names = (count: number, letter: string) =>
  Array.from({ length: count }, (_, n) => `${letter}${String(n).padStart(3, "0")}`);

/** An answer carried out, as the leader does it: what is revoked is closed, and goes where it was to. */
function carriedOut(given: AssignmentProblem): AssignmentProblem {
  const { assign, revoke } = assignResources(given);
  const owners = new Map(given.owners);
  for (const id of revoke.keys()) owners.delete(id);
  for (const [id, owner] of assign) owners.set(id, owner);
  const resources = given.resources.map((one) => {
    const wish = revoke.get(one.id)?.to ?? (assign.has(one.id) ? undefined : one.wish);
    return { ...one, wish };
  });
  return { ...given, owners, resources };
}

/** Carries answers out until nothing changes. */
function settled(given: AssignmentProblem): AssignmentProblem & { readonly rounds: number } {
  let now = given;
  for (let rounds = 0; ; rounds++) {
    const { assign, revoke } = assignResources(now);
    if (assign.size + revoke.size === 0) return { ...now, rounds };
    expect(rounds).toBeLessThan(2 * given.resources.length + 5);
    now = carriedOut(now);
  }
}

function loads(
  owners: ReadonlyMap<string, string>,
  { participants, resources }: AssignmentProblem,
) {
  const costs = new Map(participants.map(({ id }) => [id, 0]));
  for (const { id, cost } of resources) {
    const owner = owners.get(id);
    if (owner !== undefined) costs.set(owner, (costs.get(owner) ?? 0) + cost);
  }
  return participants.map(({ id, weight }) => (costs.get(id) ?? 0) / weight);
}

describe("table", () => {
  test("a group comes to rest though one of it is wished to be with somebody who is gone", () => {
    const members = [
      resource("r1", { group: "g", wish: "gone", failedOn: ["p2"], waits: true }),
      resource("r2", { group: "g" }),
      resource("r3", { group: "g" }),
    ];
    const given = problem({
      participants: [someone("p1"), someone("p2")],
      resources: [...members, resource("r4")],
      owners: new Map([
        ["r3", "p2"],
        ["r4", "p2"],
      ]),
      policy: { movesMax: 1, gainMin: 0.05, stickiness: 0.1, balance: true },
    });
    const { owners } = settled(given);
    expect(new Set(members.map(({ id }) => owners.get(id)))).toEqual(new Set(["p1"]));
  });

  test("nobody there: every resource waits, and nothing is divided by nothing", () => {
    const answer = assignResources(problem({ resources: [resource("r1"), resource("r2")] }));
    expect([...answer.orphans]).toEqual([
      ["r1", "nobody"],
      ["r2", "nobody"],
    ]);
    expect([answer.assign.size, answer.revoke.size]).toEqual([0, 0]);
  });

  test("the load follows the weights, and weight 0 gets nothing", () => {
    const participants = [someone("a", { weight: 3 }), someone("b"), someone("c", { weight: 0 })];
    const given = problem({ participants, resources: names(8, "r").map((id) => resource(id)) });
    const counts = { a: 0, b: 0, c: 0 };
    for (const owner of settled(given).owners.values()) counts[owner as "a"]++;
    expect(counts).toEqual({ a: 6, b: 2, c: 0 });
  });

  test("tags and tenants bind, and say why nobody may have it", () => {
    const participants = [
      someone("a", { tags: ["eu", "fast"], tenants: ["shop"] }),
      someone("b", { tags: ["us"] }),
    ];
    const resources = [
      resource("eu", { tags: ["eu"] }),
      resource("us", { tags: ["us"], tenant: "bank" }),
      resource("moon", { tags: ["moon"] }),
      resource("eu-bank", { tags: ["eu"], tenant: "bank" }),
    ];
    const { assign, orphans } = assignResources(problem({ participants, resources }));
    expect(Object.fromEntries(assign)).toEqual({ eu: "a", us: "b" });
    expect(Object.fromEntries(orphans)).toEqual({ moon: "tags", "eu-bank": "tenant" });
  });

  test("a group has one owner, and is gathered when it had two", () => {
    const participants = [someone("a"), someone("b")];
    const group = "orders";
    const resources = [
      resource("r1", { group, cost: 5 }),
      resource("r2", { group }),
      resource("r3", { group }),
    ];
    const owners = new Map([
      ["r1", "a"],
      ["r2", "b"],
    ]);
    const answer = assignResources(problem({ participants, resources, owners }));
    expect(Object.fromEntries(answer.revoke)).toEqual({ r2: { from: "b", to: "a" } });
    expect(Object.fromEntries(answer.assign)).toEqual({ r3: "a" });
    const { owners: after } = settled(problem({ participants, resources, owners }));
    expect(new Set(after.values())).toEqual(new Set(["a"]));
  });

  test("a resource goes back to its last owner, and elsewhere where it failed", () => {
    const participants = [someone("a"), someone("b")];
    const back = resource("r1", { lastOwner: "b" });
    expect(assignResources(problem({ participants, resources: [back] })).assign.get("r1")).toBe(
      "b",
    );
    const failed = resource("r1", { lastOwner: "b", failedOn: ["b"] });
    expect(assignResources(problem({ participants, resources: [failed] })).assign.get("r1")).toBe(
      "a",
    );
    const everywhere = resource("r1", { failedOn: ["a", "b"] });
    expect(assignResources(problem({ participants, resources: [everywhere] })).assign.size).toBe(1);
  });

  test("what failed not long ago waits for who has not tried it, also when it is wished for or draws to its group", () => {
    const participants = [someone("a"), someone("b", { tags: ["x"] })];
    const waits = { waits: true, failedOn: ["a"] };
    const answer = (resources: Wanted[], owners = new Map<string, string>()) =>
      assignResources(problem({ participants, resources, owners }));
    expect(answer([resource("r1", waits)]).assign.get("r1")).toBe("b");
    expect(answer([resource("r1", { ...waits, wish: "a" })]).assign.get("r1")).toBe("b");
    const nowhere = answer([resource("r1", { ...waits, failedOn: ["a", "b"] })]);
    expect([nowhere.assign.size, nowhere.orphans.get("r1")]).toEqual([0, "waiting"]);
    // Only one of them has its tags, and failed.
    const only = answer([resource("r1", { waits: true, failedOn: ["b"], tags: ["x"] })]);
    expect([only.assign.size, only.orphans.get("r1")]).toEqual([0, "waiting"]);
    const group = [resource("r1", { group: "g" }), resource("r2", { ...waits, group: "g" })];
    expect(answer(group, new Map([["r1", "a"]])).orphans.get("r2")).toBe("waiting");
    // One that waits keeps the rest of its group from nobody.
    const both = [resource("r1", { group: "g" }), resource("r2", { ready: false, group: "g" })];
    expect([...answer(both).assign.keys()]).toEqual(["r1"]);
  });

  test("who drains gives all away, and keeps what nobody else may have", () => {
    const participants = [someone("a", { draining: true, tags: ["x"] }), someone("b")];
    const resources = [resource("r1"), resource("r2", { tags: ["x"] })];
    const owners = new Map([
      ["r1", "a"],
      ["r2", "a"],
    ]);
    const answer = assignResources(problem({ participants, resources, owners }));
    expect(Object.fromEntries(answer.revoke)).toEqual({ r1: { from: "a", to: "b" } });
    expect(answer.assign.size).toBe(0);
  });

  test("an operator's wish is followed where it may be, whatever the balance says", () => {
    const participants = [someone("a"), someone("b", { tags: ["x"] })];
    const resources = [
      resource("r1", { wish: "b" }),
      resource("r2"),
      resource("r3", { wish: "a", tags: ["x"] }),
    ];
    const owners = new Map([
      ["r1", "a"],
      ["r2", "b"],
      ["r3", "b"],
    ]);
    const answer = assignResources(problem({ participants, resources, owners }));
    expect(answer.revoke.get("r1")).toEqual({ from: "a", to: "b" });
    expect(answer.revoke.has("r3")).toBe(false);
  });

  test("what waits is not assigned, and nothing moves while balance is off", () => {
    const participants = [someone("a"), someone("b")];
    const resources = [
      resource("r1", { ready: false }),
      ...names(4, "s").map((id) => resource(id)),
    ];
    const owners = new Map(names(4, "s").map((id) => [id, "a"]));
    const policy = { ...defaultPolicy(5), balance: false };
    const answer = assignResources(problem({ participants, resources, owners, policy }));
    expect([...answer.orphans]).toEqual([["r1", "waiting"]]);
    expect([answer.assign.size, answer.revoke.size]).toEqual([0, 0]);
  });
});

describe("properties", () => {
  const anyProblem = fc
    .record({
      participants: fc.uniqueArray(
        fc.record({
          id: fc.constantFrom(...names(8, "p")),
          weight: fc.constantFrom(0, 1, 1, 1, 2, 5),
          tags: fc.subarray(["eu", "ssd"]),
          tenants: fc.constantFrom<readonly string[]>([], [], ["shop"], ["shop", "bank"]),
          draining: fc.boolean(),
        }),
        { selector: ({ id }) => id, maxLength: 8 },
      ),
      resources: fc.uniqueArray(
        fc.record({
          id: fc.constantFrom(...names(40, "r")),
          cost: fc.integer({ min: 1, max: 9 }),
          group: fc.constantFrom(undefined, undefined, undefined, "g1", "g2"),
          tags: fc.constantFrom<readonly string[]>([], [], ["eu"], ["ssd"], ["eu", "ssd"]),
          tenant: fc.constantFrom(undefined, undefined, "shop", "bank"),
          ready: fc.constantFrom(true, true, true, false),
          lastOwner: fc.constantFrom(undefined, ...names(8, "p")),
          wish: fc.constantFrom(undefined, undefined, undefined, ...names(8, "p")),
          underWay: fc.constantFrom(false, false, false, true),
          failedOn: fc.subarray(names(8, "p"), { maxLength: 2 }),
          waits: fc.constantFrom(false, false, true),
        }),
        { selector: ({ id }) => id, maxLength: 40 },
      ),
      owned: fc.array(fc.constantFrom(undefined, ...names(10, "p")), {
        minLength: 40,
        maxLength: 40,
      }),
    })
    .map(({ participants, resources, owned }) => {
      const owners = new Map<string, string>();
      for (const { id } of resources) {
        const owner = owned[Number(id.slice(1))];
        if (owner !== undefined) owners.set(id, owner);
      }
      return problem({ participants, resources, owners });
    });

  /** Everybody may have everything, so that only the balance decides. */
  const plain = anyProblem.map((given) => ({
    ...given,
    participants: given.participants.map(({ id, weight }) => someone(id, { weight: weight || 1 })),
    resources: given.resources.map(({ id, cost }) => resource(id, { cost })),
  }));
  const runs = { numRuns: 500 };

  test("total: each resource is kept, assigned, revoked or an orphan, and never two of these", () => {
    fc.assert(
      fc.property(anyProblem, (given) => {
        const { assign, revoke, orphans } = assignResources(given);
        const live = new Set(given.participants.map(({ id }) => id));
        for (const { id } of given.resources) {
          const owner = given.owners.get(id);
          const parts = [assign, revoke, orphans].filter((map) => map.has(id)).length;
          expect(parts).toBeLessThanOrEqual(1);
          // Nothing that somebody live has is given to another before it is closed.
          if (owner !== undefined && live.has(owner)) expect(assign.has(id)).toBe(false);
          if (owner === undefined || !live.has(owner)) expect(revoke.has(id)).toBe(false);
        }
      }),
      runs,
    );
  });

  test("only who may have it gets it: weight, draining, tags and tenants", () => {
    fc.assert(
      fc.property(anyProblem, (given) => {
        for (const [id, owner] of assignResources(given).assign) {
          const to = given.participants.find((one) => one.id === owner) as Candidate;
          const what = given.resources.find((one) => one.id === id) as Wanted;
          expect([to.draining, to.weight > 0, what.ready]).toEqual([false, true, true]);
          expect(what.waits && what.failedOn.includes(owner)).toBe(false);
          expect(what.tags.every((tag) => to.tags.includes(tag))).toBe(true);
          if (what.tenant !== undefined && to.tenants.length > 0) {
            expect(to.tenants).toContain(what.tenant);
          }
        }
      }),
      runs,
    );
  });

  test("the order of what it is told does not matter", () => {
    fc.assert(
      fc.property(anyProblem, fc.infiniteStream(fc.nat()), (given, noise) => {
        const mixed = <T>(items: readonly T[]) =>
          items
            .map((item) => [noise.next().value as number, item] as const)
            .toSorted(([a], [b]) => a - b)
            .map(([, item]) => item);
        const other = {
          ...given,
          participants: mixed(given.participants),
          resources: mixed(given.resources),
          owners: new Map(mixed([...given.owners])),
        };
        expect(assignResources(other)).toEqual(assignResources(given));
      }),
      runs,
    );
  });

  test("it comes to rest, and then changes nothing", () => {
    fc.assert(
      fc.property(anyProblem, (given) => {
        const rest = settled(given);
        const live = new Set(given.participants.map(({ id }) => id));
        // What has no owner then has a reason for it.
        const { orphans } = assignResources(rest);
        const without = rest.resources.filter(({ id }) => !live.has(rest.owners.get(id) ?? ""));
        expect([...orphans.keys()]).toEqual(without.map(({ id }) => id).toSorted());
      }),
      runs,
    );
  });

  test("moves in one answer are within the limit, but for a group that is larger", () => {
    fc.assert(
      fc.property(plain, fc.integer({ min: 1, max: 5 }), (given, movesMax) => {
        const policy = { ...given.policy, movesMax };
        expect(assignResources({ ...given, policy }).revoke.size).toBeLessThanOrEqual(movesMax);
      }),
      runs,
    );
  });

  test("at rest no load is above another by more than one resource and the least gain", () => {
    fc.assert(
      fc.property(plain, (given) => {
        if (given.participants.length === 0) return;
        const utils = loads(settled(given).owners, given);
        const costMax = Math.max(0, ...given.resources.map(({ cost }) => cost));
        const weightMin = Math.min(...given.participants.map(({ weight }) => weight));
        const most = Math.max(...utils);
        const bound = Math.min(...utils) + costMax / weightMin + most * given.policy.gainMin;
        expect(most).toBeLessThanOrEqual(bound + 1e-9);
      }),
      runs,
    );
  });

  test("who joins is the only one that gets anything; of who leaves only the own moves", () => {
    fc.assert(
      fc.property(plain, (given) => {
        const [first, ...others] = given.participants;
        if (!first || others.length === 0) return;
        const without = settled({ ...given, participants: others });
        const withAll = { ...without, participants: given.participants };
        const joined = assignResources(withAll);
        expect(joined.assign.size).toBe(0);
        for (const { to } of joined.revoke.values()) expect(to).toBe(first.id);
        const after = carriedOut(withAll);
        for (const owner of assignResources(after).assign.values()) expect(owner).toBe(first.id);

        const full = settled(withAll);
        const left = assignResources({ ...full, participants: others });
        const own = [...full.owners].filter(([, owner]) => owner === first.id).map(([id]) => id);
        expect([...left.assign.keys()]).toEqual(own.toSorted());
        expect(left.revoke.size).toBe(0);
      }),
      runs,
    );
  });

  test("nothing goes back and forth through a hundred comings and goings", () => {
    fc.assert(
      fc.property(
        plain,
        fc.array(fc.nat(), { minLength: 100, maxLength: 100 }),
        (given, events) => {
          let here: readonly Candidate[] = given.participants;
          let now: AssignmentProblem = given;
          for (const event of events) {
            const one = given.participants[event % Math.max(1, given.participants.length)];
            if (!one) return;
            const isHere = here.some(({ id }) => id === one.id);
            here = isHere ? here.filter(({ id }) => id !== one.id) : [...here, one];
            const rest = settled({ ...now, participants: here });
            // A move takes two rounds, and no resource moves twice for one event.
            expect(rest.rounds).toBeLessThanOrEqual(2 * given.resources.length + 2);
            now = rest;
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});

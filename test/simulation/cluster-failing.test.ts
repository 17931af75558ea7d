import { expect, test } from "bun:test";
import { decode, statusSchema } from "#src/cluster/records.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { createWorld } from "./cluster/sim-world.ts";

/** So many clusters, each for five minutes of its own time. */
const count = Number(process.env.DBUS_CLUSTERS_FAILING ?? 6);
const minutes = 5;

test("what everybody can open and nobody can read is tried by each, then ever more seldom, and is never lost sight of", async () => {
  const first = testSeed("failing");
  for (let seed = first; seed < first + count; seed++) {
    const random = seededRandom(seed);
    const processes = random.int(1, 4);
    const world = createWorld({
      ...{ random, processes, resources: 4, settings: { calmAfterMs: 60_000 } },
      failing: { input: "in1", afterMs: random.pick([0, 20, 2_000]) },
    });
    world.faulty = false;
    for (const process of world.processes) world.start(process);
    await world.run(minutes * 60_000);
    expect({ seed, violations: world.violations }).toEqual({ seed, violations: [] });
    for (const rid of world.zookeeper.server.tree.children("/resources") ?? []) {
      const opened = world.opened.get(rid) ?? 0;
      // By each once, and then after waits of half a minute, one minute, two minutes; what others
      // have of it moves when it comes and goes.
      const most = rid.startsWith("in1-") ? processes + 4 : 10;
      expect([seed, rid, opened, opened <= most && opened > 0]).toEqual([seed, rid, opened, true]);
      if (!rid.startsWith("in1-")) continue;
      const status = world.zookeeper.server.tree.get(`/status/${rid}`);
      const said = decode(statusSchema, status?.data ?? new Uint8Array(0), rid);
      expect([said.state, said.code]).toEqual(["failed", "MYSQL_ACCESS_DENIED"]);
      // The last may be open just now.
      expect([seed, opened - said.attempts]).toBeOneOf([
        [seed, 0],
        [seed, 1],
      ]);
    }
  }
}, 60_000);

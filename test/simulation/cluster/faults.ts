import { paths } from "#src/cluster/paths.ts";
import { encode } from "#src/cluster/records.ts";
import type { Random } from "../../support/random.ts";
import type { SimProcess, SimWorld } from "./sim-world.ts";

export type FaultKind = keyof typeof faults;

/** Draws one fault; what it answers is done when its time has come. */
export type Fault = (world: SimWorld, random: Random) => () => void;

/** Runs `work` when a fault ends: shorter and longer than a session, a lease, a promise. */
type Later = (work: () => void) => void;

function on(
  what: (process: SimProcess, later: Later, world: SimWorld, random: Random) => void,
): Fault {
  return (world, random) => {
    const process = random.pick(world.processes);
    const ms = random.pick([200, 1_000, 2_900, 5_000, 9_000]) * (0.5 + random.next());
    const later: Later = (work) => void world.clock.at(world.clock.now + ms, work);
    return () => what(process, later, world, random);
  };
}

export const faults = {
  crash: on((process, later, world) => {
    if (process.node) world.crash(process);
    later(() => {
      if (!process.node) world.start(process);
    });
  }),
  stop: on(({ clock }, later) => {
    clock.stop();
    later(() => clock.go());
  }),
  /** Its event loop comes to nothing for a while; its session lives. */
  busy: on(({ clock }, later) => {
    clock.busy();
    later(() => later(() => clock.idle()));
  }),
  cut: on((process, later) => {
    process.network = false;
    later(() => {
      process.network = true;
    });
  }),
  slow: on((process, later, _world, random) => {
    process.extraMs = random.int(50, 400);
    later(() => {
      process.extraMs = 0;
    });
  }),
  zookeeper: on((_process, later, world) => {
    world.zookeeper.up = false;
    later(() => {
      world.zookeeper.up = true;
    });
  }),
  /** Nobody reaches ZooKeeper, where sessions end meanwhile; all reach one another. */
  away: on((_process, later, world, random) => {
    for (const process of world.processes) {
      // Who comes for the first time comes from elsewhere.
      if (!process.node) continue;
      process.zookeeper = false;
      later(() => {
        world.clock.at(world.clock.now + random.int(0, 2_000), () => {
          process.zookeeper = true;
        });
      });
    }
  }),
  wall: on((process, _later, _world, random) => {
    process.clock.jumpWall(random.pick([-3_600_000, 3_600_000, -5_000, 5_000]));
  }),
  drain: on((process, later, world) => leave(world, process, later)),
  /** Somebody deletes by hand what makes a leader one. */
  deposed: on((_process, _later, world, random) => {
    const { tree } = world.zookeeper.server;
    const line = (tree.children(paths.election) ?? []).toSorted(
      (a, b) => Number(a.slice(-10)) - Number(b.slice(-10)),
    );
    const [first] = line;
    if (first === undefined) return;
    const path = random.chance(0.3) ? paths.leader : `${paths.election}/${first}`;
    if (tree.get(path)) world.byHand([{ kind: "delete", path, version: 0 }]);
  }),
  /** Somebody wants a resource to be elsewhere. */
  wish: on((process, _later, world, random) => {
    const { tree } = world.zookeeper.server;
    const rids = tree.children(paths.resources) ?? [];
    if (rids.length === 0) return;
    const rid = random.pick(rids);
    wish(world, rid, process);
  }),
} satisfies Readonly<Record<string, Fault>>;

export function wish(world: SimWorld, rid: string, { pid }: SimProcess): void {
  const path = `${paths.wishes}/${rid}`;
  if (world.zookeeper.server.tree.get(path)) return;
  world.wished.add(rid);
  world.byHand([{ kind: "create", path, data: encode({ to: pid, by: "somebody" }) }]);
}

/** In good order, as an upgrade does it; it comes back at once, or `later` while there are faults. */
export function leave(world: SimWorld, process: SimProcess, later?: Later): void {
  const { node } = process;
  if (!node || process.leaving) return;
  process.leaving = true;
  void node.stop(5_000).then(() => {
    if (process.node !== node) return;
    world.crash(process);
    const comeBack = () => {
      if (!process.node) world.start(process);
    };
    if (later && world.faulty) later(comeBack);
    else comeBack();
  });
}

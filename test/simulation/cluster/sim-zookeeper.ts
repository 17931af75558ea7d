import type {
  Heard,
  ZkEvent,
  ZkOperation,
  ZkSession,
  ZkState,
} from "#src/clients/zookeeper/port.ts";
import { ZkError } from "#src/clients/zookeeper/zk-error.ts";
import {
  createTreeServer,
  requestsOver,
  type TreeAnswer,
  type TreeRequest,
  type TreeServer,
} from "#src/cluster/embedded/tree-session.ts";
import type { Random } from "../../support/random.ts";
import type { ProcessClock, SimClock } from "./sim-clock.ts";

/** What is between a process and the servers. */
export type SimLink = {
  readonly reaches: () => boolean;
  /** What each way takes longer than it does for others. */
  readonly extraMs: () => number;
  /** The session is over, and everybody who listens has been told. */
  readonly ended: () => void;
};

export type SimZookeeper = {
  readonly server: TreeServer;
  /** False: no server answers anybody, and no session ends. */
  up: boolean;
  /** How often an answer is lost although the request was done, or before it was. */
  lostChance: number;
  open(clock: ProcessClock, link: SimLink): ZkSession;
  /** Told of every write before it is done; what it answers is called when it was, at once. */
  onWrite: (session: bigint, operations: readonly ZkOperation[]) => () => void;
};

export type SimZookeeperOptions = { readonly timeoutMs: number; readonly lostChance: number };

/**
 * ZooKeeper as its clients meet it: answers take time and may be lost with the connection, sessions
 * end when nothing was heard for their timeout, watches fire once and wait for who is away.
 */
export function createSimZookeeper(
  world: SimClock,
  random: Random,
  { timeoutMs, lostChance }: SimZookeeperOptions,
): SimZookeeper {
  const server = createTreeServer();
  let up = true;
  /** Sessions count from anew when the servers are back. */
  let upSince = 0;
  const zookeeper: SimZookeeper = {
    server,
    get up() {
      return up;
    },
    set up(now) {
      if (now && !up) upSince = world.now;
      up = now;
    },
    lostChance,
    open,
    onWrite: () => () => {},
  };
  const latency = () => 0.5 + random.next() * (random.chance(0.05) ? 60 : 4);

  function open(clock: ProcessClock, link: SimLink): ZkSession {
    const listeners = new Set<(state: ZkState) => void>();
    const pending = new Map<number, (why: string) => void>();
    const missed: ZkEvent[] = [];
    let id = 0n;
    let state: ZkState = "connecting";
    let connected = false;
    let generation = 0;
    let numbers = 0;
    let heard: Heard | null = null;
    /** When the servers last heard of it, in true time. */
    let lastSeen = world.now;
    const waiting: (() => void)[] = [];
    /** Requests arrive and answers and events come back in the order in which they went out. */
    let arrivesAt = 0;
    let returnsAt = 0;
    const arrives = () => {
      arrivesAt = Math.max(arrivesAt, world.now + latency() + link.extraMs());
      return arrivesAt;
    };
    const returns = () => {
      returnsAt = Math.max(returnsAt, world.now + latency() + link.extraMs());
      return returnsAt;
    };
    const isFinal = () => state === "expired" || state === "closed";
    const isReachable = () => up && link.reaches();

    function become(next: ZkState): void {
      if (state === next || isFinal()) return;
      state = next;
      for (const listener of [...listeners]) listener(next);
      if (next === "expired") {
        for (const [, lose] of [...pending]) lose("expired");
        for (const go of waiting.splice(0)) go();
      }
      if (isFinal()) link.ended();
    }

    function disconnect(): void {
      if (!connected) return;
      connected = false;
      generation++;
      clock.deliver(() => {
        for (const [, lose] of [...pending]) lose("lost");
        if (!isFinal()) become("suspended");
      });
    }

    /** One turn of the connection: it notices what the network does, pings, or connects again. */
    function beat(): void {
      if (isFinal()) return;
      if (connected && !isReachable()) disconnect();
      else if (connected) ping();
      else if (isReachable()) connect();
      world.at(world.now + (timeoutMs / 6) * (0.8 + 0.4 * random.next()), () => {
        clock.heart(beat);
      });
    }

    function ping(): void {
      const sent = { now: clock.now(), wall: clock.wall() };
      const mine = generation;
      world.at(arrives(), () => {
        if (mine !== generation) return;
        if (!isReachable() || !server.alive(id)) {
          disconnect();
          return;
        }
        lastSeen = world.now;
        world.at(returns(), () => {
          clock.heart(() => {
            if (mine === generation) heard = sent;
          });
        });
      });
    }

    function connect(): void {
      const sent = { now: clock.now(), wall: clock.wall() };
      world.at(world.now + latency() + link.extraMs(), () => {
        if (!isReachable() || connected) return;
        const isNew = id === 0n;
        if (isNew) begin();
        const alive = server.alive(id);
        if (alive) lastSeen = world.now;
        clock.deliver(() => {
          if (isFinal() || connected) return;
          if (!alive) {
            become("expired");
            return;
          }
          connected = true;
          generation++;
          heard = sent;
          become("connected");
          for (const event of missed.splice(0)) tell(event);
          for (const go of waiting.splice(0)) go();
        });
      });
    }

    function begin(): void {
      id = server.begin();
      const watches = server.watchesOf(id);
      tell = watches.fire;
      server.onEvent(id, (event) => {
        if (!connected) {
          missed.push(event);
          return;
        }
        const mine = generation;
        world.at(returns(), () => {
          clock.deliver(() => {
            // What was on its way when the connection went is told over the next one.
            if (mine === generation) tell(event);
            else missed.push(event);
            if (connected) for (const late of missed.splice(0)) tell(late);
          });
        });
      });
      watchSession();
    }
    let tell: (event: ZkEvent) => void = () => {};

    /** The servers' side: a session that was not heard of for its timeout has ended. */
    function watchSession(): void {
      if (!server.alive(id)) return;
      const ends = Math.max(lastSeen, upSince) + timeoutMs;
      if (!up) world.at(world.now + timeoutMs / 20, watchSession);
      else if (world.now < ends) world.at(ends, watchSession);
      else server.end(id);
    }

    function ask(request: TreeRequest): Promise<TreeAnswer> {
      const writes = request.kind === "apply";
      return new Promise((resolve, reject) => {
        const send = (): void => {
          if (state === "expired") reject(expired());
          else if (state === "closed") reject(new ZkError("closed", "closed"));
          else if (connected) sendNow(request, writes, resolve, reject);
          else waiting.push(send);
        };
        send();
      });
    }

    function sendNow(
      request: TreeRequest,
      writes: boolean,
      resolve: (answer: TreeAnswer) => void,
      reject: (error: unknown) => void,
    ): void {
      const number = numbers++;
      const mine = generation;
      const sent = { now: clock.now(), wall: clock.wall() };
      pending.set(number, (why) => {
        pending.delete(number);
        reject(why === "expired" ? expired() : new ZkError("lost", "lost", writes));
      });
      const fate = random.next();
      world.at(arrives(), () => {
        if (mine !== generation) return;
        if (!isReachable() || !server.alive(id) || fate < zookeeper.lostChance / 2) {
          disconnect();
          return;
        }
        lastSeen = world.now;
        let settle: () => void;
        try {
          const done = request.kind === "apply" && zookeeper.onWrite(id, request.operations);
          const answer = server.request(id, request, 1_700_000_000_000 + world.now);
          if (done) done();
          settle = () => resolve(answer);
        } catch (error) {
          settle = () => reject(error);
        }
        if (fate < zookeeper.lostChance) {
          disconnect();
          return;
        }
        world.at(returns(), () => {
          clock.deliver(() => {
            if (!pending.delete(number)) return;
            heard = sent;
            settle();
          });
        });
      });
    }

    clock.after(0, beat);

    return {
      ...requestsOver(ask),
      get id() {
        return id;
      },
      get state() {
        return state;
      },
      get timeoutMs() {
        return timeoutMs;
      },
      get heard() {
        return heard;
      },
      onState(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      async close() {
        if (connected && isReachable()) server.end(id);
        become("closed");
        for (const [, lose] of [...pending]) lose("lost");
        for (const go of waiting.splice(0)) go();
      },
    };
  }

  return zookeeper;
}

function expired(): ZkError {
  return new ZkError("expired", "the session has expired", true);
}

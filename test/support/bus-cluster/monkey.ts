import type { ZookeeperEnsemble } from "../../services/index.ts";
import type { Random } from "../random.ts";
import type { BusCluster } from "./bus-cluster.ts";
import { shortTime } from "./what-happened.ts";

/** What a monkey has done; what is still broken is mended by `heal`. */
export type Monkey = {
  /** So many processes of dbus died without a word. */
  readonly deaths: number;
  /** So many times one stood still, and went on. */
  readonly stops: number;
  /** Each with its time. */
  readonly deeds: readonly string[];
  /** Does one thing, and waits a while. */
  act(): Promise<void>;
  /** Everybody runs again, and ZooKeeper too. */
  heal(): Promise<void>;
};

export type MonkeyOptions = {
  readonly cluster: BusCluster;
  readonly zookeeper: ZookeeperEnsemble;
  readonly everybody: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly random: Random;
};

/** Kills, stops and ends participants and servers of ZooKeeper, and starts them again, at random. */
export function createMonkey(options: MonkeyOptions): Monkey {
  const { cluster, zookeeper, everybody, sessionTimeoutMs, random } = options;
  const gone = new Set<string>();
  const stopped = new Set<string>();
  const deeds: string[] = [];
  let deaths = 0;
  let stops = 0;
  /** Servers of ZooKeeper that are down. */
  const down = new Set<number>();

  const did = (what: string) => void deeds.push(`${shortTime(Date.now())} ${what}`);
  const live = () => everybody.filter((pid) => !gone.has(pid) && !stopped.has(pid));
  const kill = async (pid: string, signal: "SIGKILL" | "SIGTERM") => {
    const daemon = cluster.daemons.get(pid);
    did(`${signal} ${pid}`);
    daemon?.kill(signal);
    gone.add(pid);
    if (signal === "SIGKILL") deaths++;
    await daemon?.exited;
  };
  const start = async (pid: string) => {
    did(`start ${pid}`);
    await cluster.start(pid);
    gone.delete(pid);
  };

  const acts: Readonly<Record<string, () => Promise<void>>> = {
    async kill() {
      if (live().length > 2) await kill(random.pick(live()), "SIGKILL");
    },
    async "kill and start at once"() {
      if (live().length === 0) return;
      const pid = random.pick(live());
      await kill(pid, "SIGKILL");
      await start(pid);
    },
    async end() {
      if (live().length > 2) await kill(random.pick(live()), "SIGTERM");
    },
    async start() {
      for (const pid of gone) if (random.chance(0.7)) await start(pid);
    },
    async stop() {
      if (live().length <= 2) return;
      const pid = random.pick(live());
      did(`SIGSTOP ${pid}`);
      stops++;
      cluster.daemons.get(pid)?.kill("SIGSTOP");
      stopped.add(pid);
    },
    async "let go on"() {
      for (const pid of [...stopped]) {
        did(`SIGCONT ${pid}`);
        cluster.daemons.get(pid)?.kill("SIGCONT");
        stopped.delete(pid);
      }
    },
    async "kill a server of ZooKeeper"() {
      const at = random.int(0, 2);
      did(`SIGKILL ZooKeeper ${at}`);
      zookeeper.servers[at]?.kill("SIGKILL");
      down.add(at);
    },
    async "start ZooKeeper"() {
      did(`start ZooKeeper ${[...down]}`);
      await Promise.all([...down].map((at) => zookeeper.servers[at]?.restart()));
      down.clear();
    },
  };

  return {
    deeds,
    get deaths() {
      return deaths;
    },
    get stops() {
      return stops;
    },
    async act() {
      await acts[random.pick(Object.keys(acts))]?.();
      await Bun.sleep(random.pick([100, 500, 1_500, sessionTimeoutMs * 1.3]));
    },
    async heal() {
      did("heal");
      await acts["let go on"]?.();
      await acts["start ZooKeeper"]?.();
      for (const pid of [...gone]) await start(pid);
      // One that has just begun cannot be told to end in good order yet.
      await Promise.all(everybody.map((pid) => cluster.daemons.get(pid)?.ready()));
    },
  };
}

/** A writer's breath between transactions, so that its rows last as long as the monkey. */
export const breath = (): Promise<void> => Bun.sleep(20);

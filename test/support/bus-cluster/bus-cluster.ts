import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { type AssignRecord, assignSchema, resourceSchema } from "#src/cluster/records.ts";
import { type DaemonProcess, startDaemonProcess } from "../daemon-process.ts";
import { waitFor } from "../wait-for.ts";
import { zkSession } from "../zookeeper-session.ts";

/** Several dbusd that share one configuration through ZooKeeper. */
export type BusCluster = {
  readonly dir: string;
  readonly config: BusClusterOptions["config"];
  /** Participants that were started, by their ids, dead ones too. */
  readonly daemons: ReadonlyMap<string, DaemonProcess>;
  /** `config` is another than that of all, for this one alone. */
  start(pid: string, config?: BusClusterOptions["config"]): Promise<DaemonProcess>;
  /** Who owns each input now, and under which fence. */
  owners(): Promise<ReadonlyMap<string, Ownership>>;
  /** Resolves when each input is owned by one of these, and `claim` says that it runs. */
  settled(by: readonly string[], timeoutMs?: number): Promise<ReadonlyMap<string, Ownership>>;
  /** The node below the cluster's root, as text; null when it is not there. */
  node(path: string): Promise<string | null>;
  readonly session: ZkSession;
  stop(): Promise<void>;
};

export type Ownership = {
  readonly rid: string;
  readonly owner: string | null;
  readonly fence: number;
};

export type BusClusterOptions = {
  readonly connect: string;
  /** Its name; a root of its own. */
  readonly name: string;
  readonly dir: string;
  readonly sessionTimeoutMs: number;
  /** Without `admin`; of `cluster` only what is another for one participant. */
  readonly config: Readonly<Record<string, unknown>> & {
    readonly inputs: readonly { readonly name: string }[];
    readonly cluster?: Readonly<Record<string, unknown>>;
  };
  /** More of the section `cluster`. */
  readonly cluster?: Readonly<Record<string, unknown>>;
  /** Where that one listens for the others; 127.0.0.1 unless told. */
  readonly hostOf?: (pid: string) => string;
  /** For every participant, with `DBUS_NODE` as its id. */
  readonly env?: Readonly<Record<string, string>>;
  /** What stands before the command line of that participant. */
  readonly prefix?: (pid: string) => readonly string[];
};

/** Without one nobody answers another: it is the same for all of them. */
const clusterKey = "of all who share it";

export function busCluster(options: BusClusterOptions): BusCluster {
  const { connect, name, dir, sessionTimeoutMs } = options;
  const daemons = new Map<string, DaemonProcess>();
  const session = zkSession(connect, { sessionTimeoutMs: 20_000 });
  const at = (path: string) => `/dbus/${name}${path}`;

  async function node(path: string): Promise<string | null> {
    if ((await session.exists(at(path))) === null) return null;
    return Buffer.from((await session.get(at(path))).data).toString("utf8");
  }

  async function owners(): Promise<ReadonlyMap<string, Ownership>> {
    if ((await session.exists(at("/resources"))) === null) return new Map();
    const { names } = await session.children(at("/resources"));
    const all = await Promise.all(
      names.map(async (rid) => {
        const { input } = resourceSchema.parse(JSON.parse((await node(`/resources/${rid}`)) ?? ""));
        const { data, stat } = await session.get(at(`/assign/${rid}`));
        const { owner } = parse<AssignRecord>(data, assignSchema);
        return [input, { rid, owner, fence: stat.version }] as const;
      }),
    );
    return new Map(all);
  }

  /** One that ended by itself will own nothing, however long one waits. */
  async function noneEnded(pids: readonly string[]): Promise<string | undefined> {
    for (const pid of pids) {
      const daemon = daemons.get(pid);
      if (daemon && !daemon.running) return `${pid} has ended:\n${await daemon.log()}`;
    }
    return undefined;
  }

  async function runs(rid: string, owner: string): Promise<boolean> {
    const text = await node(`/claim/${rid}`);
    if (text === null) return false;
    const claim = JSON.parse(text) as { pid: string; state: string };
    return claim.pid === owner && claim.state === "running";
  }

  return {
    ...{ dir, daemons, session, owners, node, config: options.config },
    async start(pid, config = options.config) {
      const own = join(dir, pid);
      mkdirSync(own, { recursive: true });
      const daemon = await startDaemonProcess({
        dir: own,
        prefix: options.prefix?.(pid) ?? [],
        env: { ...options.env, DBUS_NODE: pid },
        config: {
          state: { dir: join(own, "state") },
          ...config,
          cluster: {
            ...{ connect: `${connect}/dbus`, name, id: pid, sessionTimeoutMs },
            rpc: { listen: `${options.hostOf?.(pid) ?? "127.0.0.1"}:0` },
            ...{ key: clusterKey, drainMs: 3_000, rebalance: { debounceMs: 100 } },
            ...options.cluster,
            ...config.cluster,
          },
        },
      });
      daemons.set(pid, daemon);
      return daemon;
    },
    async settled(by, timeoutMs = 30_000) {
      const { inputs } = options.config;
      return await waitFor(
        async () => {
          const ended = await noneEnded(by);
          if (ended !== undefined) return Promise.reject(new Error(ended));
          const now = await owners();
          for (const input of inputs) {
            const found = now.get(input.name);
            if (!found?.owner || !by.includes(found.owner)) return undefined;
            if (!(await runs(found.rid, found.owner))) return undefined;
          }
          return now;
        },
        { timeoutMs, intervalMs: 50, what: `every input to run on ${by.join(", ")}` },
      );
    },
    async stop() {
      await Promise.all(
        [...daemons.values()].map(async (daemon) => {
          daemon.kill("SIGKILL");
          await daemon.exited;
        }),
      );
      await session.close();
    },
  };
}

function parse<T>(data: Uint8Array, schema: { parse(value: unknown): T }): T {
  return schema.parse(JSON.parse(Buffer.from(data).toString("utf8")));
}

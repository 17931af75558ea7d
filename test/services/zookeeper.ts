import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { mavenLibs } from "./maven.ts";
import { freePort } from "./port.ts";
import { removeRunDir, runDir } from "./run-dir.ts";
import { ask, startServer } from "./server-process.ts";
import { systemTool } from "./system-tools.ts";

export type ZookeeperService = {
  /** `host:port`. */
  readonly connect: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Stops it if it still runs and starts it again on the same port and data. */
  restart(): Promise<void>;
};

export type ZookeeperOptions = {
  /** Sessions may be 2 to 20 ticks long; 500 ms unless told. */
  readonly tickMs?: number;
  readonly properties?: Readonly<Record<string, string>>;
  /** The address to listen on, 127.0.0.1 unless told. */
  readonly host?: string;
  /** Its number among the servers of an ensemble, which `properties` name. */
  readonly id?: number;
};

/** Starts one ZooKeeper 3.9 server. */
export async function startZookeeper(options: ZookeeperOptions = {}): Promise<ZookeeperService> {
  const java = await systemTool("java");
  const libs = await mavenLibs("zookeeper-3.9.4", [
    "org.apache.zookeeper:zookeeper:3.9.4",
    "io.dropwizard.metrics:metrics-core:4.1.12.1",
    "org.xerial.snappy:snappy-java:1.1.10.5",
  ]);
  const run = await runDir("zookeeper");
  const port = await freePort();
  await mkdir(join(run, "data"));
  const { id, host = "127.0.0.1" } = options;
  if (id !== undefined) await Bun.write(join(run, "data", "myid"), `${id}\n`);
  const properties = {
    tickTime: String(options.tickMs ?? 500),
    dataDir: join(run, "data"),
    clientPort: String(port),
    clientPortAddress: host,
    "admin.enableServer": "false",
    "4lw.commands.whitelist": "*",
    ...options.properties,
  };
  const config = join(run, "zoo.cfg");
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
  await Bun.write(config, lines.join(""));
  const main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
  const server = await startServer({
    name: "zookeeper",
    argv: [java, "-Xmx128m", "-XX:+UseSerialGC", "-cp", join(libs, "*"), main, config],
    cwd: run,
    logFile: join(run, "server.log"),
    // Alone it serves as soon as it runs; one of several when they have a leader.
    ready: async () =>
      id === undefined
        ? (await ask(port, Buffer.from("ruok"), 4, host)).toString() === "imok"
        : (await roleOf({ port })) !== "none",
  });
  return {
    connect: `${host}:${port}`,
    port,
    get pid() {
      return server.pid;
    },
    kill: (signal) => server.kill(signal),
    stop: async () => {
      await server.stop();
      removeRunDir(run);
    },
    restart: async () => {
      await server.stop();
      await server.start();
    },
  };
}

export type ZookeeperEnsemble = {
  /** `host:port` of every server, as clients are told. */
  readonly connect: string;
  readonly servers: readonly (ZookeeperService & { readonly role: () => Promise<ZookeeperRole> })[];
  stop(): Promise<void>;
};

export type ZookeeperRole = "leader" | "follower" | "none";

/** Starts three servers that elect a leader among them; ready when they have one. */
export async function startZookeeperEnsemble(
  options: ZookeeperOptions = {},
): Promise<ZookeeperEnsemble> {
  const ids = [1, 2, 3];
  const peers = await Promise.all(ids.map(async () => [await freePort(), await freePort()]));
  const lines = ids.map((id, i) => [`server.${id}`, `127.0.0.1:${peers[i]?.join(":")}`] as const);
  const properties = { initLimit: "20", syncLimit: "4", ...Object.fromEntries(lines) };
  const started = await Promise.all(
    ids.map((id) =>
      startZookeeper({
        ...options,
        id,
        properties: { ...properties, ...options.properties },
      }),
    ),
  );
  const servers = started.map((server) => ({ ...methodsOf(server), role: () => roleOf(server) }));
  return {
    connect: started.map(({ connect }) => connect).join(","),
    servers,
    stop: async () => void (await Promise.all(started.map((server) => server.stop()))),
  };
}

/** A copy would freeze the pid, which changes with each start. */
function methodsOf(server: ZookeeperService): ZookeeperService {
  return {
    ...server,
    get pid() {
      return server.pid;
    },
  };
}

async function roleOf({ port }: { readonly port: number }): Promise<ZookeeperRole> {
  const said = await wholeAnswer(port, "srvr").catch(() => "");
  return (/^Mode: (leader|follower)$/m.exec(said)?.[1] as ZookeeperRole | undefined) ?? "none";
}

/** What a server says to one of its four-letter words before it closes the connection. */
function wholeAnswer(port: number, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port }, () => void socket.write(word));
    let said = "";
    socket.setTimeout(1_000, () => socket.destroy(new Error("no answer")));
    socket.on("data", (chunk) => {
      said += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(said));
  });
}

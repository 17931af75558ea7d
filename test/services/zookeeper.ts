import { mkdir } from "node:fs/promises";
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
  const properties = {
    tickTime: String(options.tickMs ?? 500),
    dataDir: join(run, "data"),
    clientPort: String(port),
    clientPortAddress: "127.0.0.1",
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
    ready: async () => (await ask(port, Buffer.from("ruok"), 4)).toString() === "imok",
  });
  return {
    connect: `127.0.0.1:${port}`,
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

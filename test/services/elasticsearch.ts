import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { command } from "./command.ts";
import { mavenLibs } from "./maven.ts";
import { freePort } from "./port.ts";
import { progress } from "./progress.ts";
import { removeRunDir, runDir } from "./run-dir.ts";
import { startServer } from "./server-process.ts";
import { systemTool } from "./system-tools.ts";

export type ElasticsearchService = {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Stops it if it still runs and starts it again on the same port and data. */
  restart(): Promise<void>;
};

export type ElasticsearchOptions = {
  readonly heapMb?: number;
  /** More settings of elasticsearch.yml; they win over the ones given here. */
  readonly settings?: Readonly<Record<string, string>>;
};

const version = "8.19.0";
/** The user nobody: Elasticsearch refuses to run as root. */
const unprivileged = 65_534;

/**
 * Starts one node of Elasticsearch 8.19 from its jars, as its distribution is on no package
 * registry. `GET /` answers 405, as the module for it is not among them; the rest is the server.
 */
export async function startElasticsearch(
  options: ElasticsearchOptions = {},
): Promise<ElasticsearchService> {
  const java = await systemTool("java");
  const home = await cached(`elasticsearch-${version}-home-1`, makeHome);
  const run = await runDir("elasticsearch");
  await command(["cp", "-a", `${home}/.`, run]);
  const root = process.getuid?.() === 0;
  // The cache may lie in root's home, which nobody may enter; the copy does not.
  if (root) await command(["chown", "-R", `${unprivileged}:${unprivileged}`, run]);
  const ids = [`--reuid=${unprivileged}`, `--regid=${unprivileged}`, "--clear-groups"];
  const port = await freePort();
  const settings = { ...settingsOf(run, port, await freePort()), ...options.settings };
  const heap = `${options.heapMb ?? 512}m`;
  const server = await startServer({
    name: "elasticsearch",
    asUser: root ? ids : [],
    argv: [
      ...[java, `-Xmx${heap}`, `-Xms${heap}`, "-XX:+UseSerialGC"],
      ...["--module-path", join(run, "core"), "-cp", join(run, "launcher")],
      "--add-modules=jdk.net,jdk.management.agent,ALL-MODULE-PATH",
      ...["-Djava.security.manager=allow", "-Dlog4j2.disable.jmx=true", "EsNode", run],
      ...Object.entries(settings).map(([key, value]) => `${key}=${value}`),
    ],
    cwd: run,
    env: { HOME: run, ES_TMPDIR: join(run, "tmp") },
    logFile: join(run, "server.log"),
    ready: async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/_cluster/health`);
      return answer.ok && ((await answer.json()) as { status: string }).status !== "red";
    },
  });
  return {
    url: `http://127.0.0.1:${port}`,
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

function settingsOf(
  run: string,
  port: number,
  transport: number,
): Readonly<Record<string, string>> {
  return {
    "path.data": join(run, "data"),
    "discovery.type": "single-node",
    "http.port": String(port),
    "transport.port": String(transport),
    "network.host": "127.0.0.1",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
  };
}

/** Lays out what the server expects: core on the module path, the HTTP transport as a module. */
async function makeHome(dir: string): Promise<void> {
  const libs = await mavenLibs(`elasticsearch-${version}`, [
    `org.elasticsearch:elasticsearch:${version}`,
    `org.elasticsearch.plugin:transport-netty4:${version}`,
  ]);
  const netty = join(dir, "modules/transport-netty4");
  for (const folder of ["core", "config", "data", "tmp", "launcher"]) {
    await mkdir(join(dir, folder), { recursive: true });
  }
  await mkdir(netty, { recursive: true });
  for (const jar of await readdir(libs)) {
    const target = /^(netty-|transport-netty4-)/.test(jar) ? netty : join(dir, "core");
    await command(["cp", join(libs, jar), target]);
  }
  const descriptor = {
    name: "transport-netty4",
    description: "HTTP and transport over Netty",
    version,
    "elasticsearch.version": version,
    "java.version": "17",
    classname: "org.elasticsearch.transport.netty4.Netty4Plugin",
  };
  const lines = Object.entries(descriptor).map(([key, value]) => `${key}=${value}\n`);
  await Bun.write(join(netty, "plugin-descriptor.properties"), lines.join(""));
  await compileLauncher(dir);
}

/** Eclipse's compiler comes as a jar, so that a machine needs no JDK, only a Java to run. */
async function compileLauncher(dir: string): Promise<void> {
  progress("elasticsearch: compiling its launcher");
  const java = await systemTool("java");
  const ecj = await mavenLibs("ecj-3.33.0", ["org.eclipse.jdt:ecj:3.33.0"]);
  const source = join(import.meta.dir, "elasticsearch/EsNode.java");
  const compiler = [java, "-cp", join(ecj, "*"), "org.eclipse.jdt.internal.compiler.batch.Main"];
  const jars = (await readdir(join(dir, "core"))).map((jar) => join(dir, "core", jar));
  const path = ["-classpath", jars.join(":")];
  await command([...compiler, "-17", "-nowarn", "-d", join(dir, "launcher"), ...path, source]);
}

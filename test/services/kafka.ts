import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { command } from "./command.ts";
import { aliveBrokers } from "./kafka-metadata.ts";
import { mavenLibs } from "./maven.ts";
import { freePort } from "./port.ts";
import { progress } from "./progress.ts";
import { removeRunDir, runDir } from "./run-dir.ts";
import { type Elsewhere, type ServerProcess, startServer, within } from "./server-process.ts";
import { systemTool } from "./system-tools.ts";

/** One broker of a cluster. After `stop` or `kill`, `restart` runs it on the same port and data. */
export type KafkaBroker = {
  readonly id: number;
  readonly port: number;
  readonly pid: number;
  /** Its folders of topics: that of `TOPIC-PARTITION` is in one of them. */
  readonly logDirs: readonly string[];
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  restart(): Promise<void>;
};

export type KafkaService = {
  /** `host:port,host:port`, every broker. */
  readonly bootstrap: string;
  readonly brokers: readonly KafkaBroker[];
  /** Stops every broker and removes the data. */
  stop(): Promise<void>;
};

export type KafkaOptions = {
  readonly brokers?: 1 | 3;
  /** More server.properties; they win over the ones given here. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Further listeners of a single broker: the port of each security protocol, e.g. SASL_SSL. */
  readonly listeners?: Readonly<Record<string, number>>;
  /** Heap of each broker in MiB; 512 unless told. */
  readonly heapMb?: number;
  /** Further folders for the topics of a single broker, e.g. on a disk that can be filled. */
  readonly logDirs?: readonly string[];
  /** Where a single broker runs, unless on loopback. */
  readonly elsewhere?: Elsewhere;
};

const version = process.env.DBUS_KAFKA_VERSION || "4.1.0";

/** Starts Kafka in KRaft mode: every process is a broker and a controller. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaService> {
  const java = await systemTool("java");
  const libs = await kafkaLibs();
  const template = await cached(`kafka-${version}-data-1`, (dir) => format(java, libs, dir));
  const run = await runDir("kafka");
  const nodes: Node[] = [];
  for (let id = 1; id <= (options.brokers ?? 1); id++) {
    nodes.push({ id, port: await freePort(), controllerPort: await freePort() });
  }
  // Each cluster has its own, as out there; those of one test must not pass for one another.
  const clusterId = randomId();
  const common = { nodes, run, java, libs, template, clusterId, options };
  const start = (node: Node) => startNode({ node, ...common });
  const servers = await Promise.all(nodes.map(start));
  const brokers = nodes.map((node, index) => {
    const logDirs = [join(homeOf(run, node), "data"), ...(options.logDirs ?? [])];
    return broker(node, servers[index]!, logDirs);
  });
  return {
    bootstrap: nodes.map(({ port }) => `${options.elsewhere?.host ?? "127.0.0.1"}:${port}`).join(),
    brokers,
    stop: async () => {
      // The data goes too, so nobody gains by an orderly end, which takes a cluster 5 s.
      for (const server of servers) server.kill("SIGKILL");
      await Promise.all(servers.map((server) => server.stop()));
      removeRunDir(run);
    },
  };
}

/** The folder with Kafka's jars, for whoever runs its command line tools. */
export function kafkaLibs(): Promise<string> {
  const group = "org.apache.kafka";
  const artifacts = [`${group}:kafka_2.13:${version}`, `${group}:kafka-tools:${version}`];
  return mavenLibs(`kafka-${version}`, artifacts);
}

type Node = { readonly id: number; readonly port: number; readonly controllerPort: number };

type NodeStart = {
  readonly node: Node;
  readonly nodes: readonly Node[];
  readonly run: string;
  readonly java: string;
  readonly libs: string;
  readonly template: string;
  readonly clusterId: string;
  readonly options: KafkaOptions;
};

async function startNode(at: NodeStart): Promise<ServerProcess> {
  const home = homeOf(at.run, at.node);
  const data = join(home, "data");
  await mkdir(home);
  await command(["cp", "-a", at.template, data]);
  const more = at.options.logDirs ?? [];
  for (const dir of more) await command(["cp", join(data, "meta.properties"), dir]);
  for (const dir of [data, ...more]) await rename(dir, at.node.id, at.clusterId);
  const dirs = { "log.dirs": [data, ...more].join(), "metadata.log.dir": data };
  const own = { ...propertiesOf(at.node, at.nodes, home), ...dirs };
  const listeners = listenersOf(own, at.options);
  const properties = { ...own, ...listeners, ...at.options.properties };
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
  await Bun.write(join(home, "server.properties"), lines.join(""));
  const heap = `${at.options.heapMb ?? 512}m`;
  const jvm = [`-Xmx${heap}`, "-Xms128m", "-XX:+UseSerialGC"];
  return startServer({
    name: at.nodes.length === 1 ? "kafka" : `kafka broker ${at.node.id}`,
    argv: [
      ...[
        ...within(at.options.elsewhere),
        at.java,
        ...jvm,
        "-cp",
        join(at.libs, "*"),
        "kafka.Kafka",
      ],
      join(home, "server.properties"),
    ],
    cwd: home,
    logFile: join(home, "server.log"),
    ready: async () =>
      (await aliveBrokers(at.node.port, at.options.elsewhere?.host)).includes(at.node.id),
  });
}

function propertiesOf(
  node: Node,
  nodes: readonly Node[],
  home: string,
): Readonly<Record<string, string>> {
  const voters = nodes.map((voter) => `${voter.id}@127.0.0.1:${voter.controllerPort}`);
  const copies = String(nodes.length);
  return {
    "process.roles": "broker,controller",
    "node.id": String(node.id),
    "controller.quorum.voters": voters.join(","),
    listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${node.port}`,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "log.dirs": join(home, "data"),
    "default.replication.factor": copies,
    "offsets.topic.replication.factor": copies,
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": copies,
    "transaction.state.log.min.isr": nodes.length === 1 ? "1" : "2",
    "transaction.state.log.num.partitions": "4",
    "min.insync.replicas": nodes.length === 1 ? "1" : "2",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "8388608",
    // Records of tests carry timestamps of long ago, and would be deleted by them half a minute later.
    "log.retention.ms": "-1",
    // A killed broker may come back only when its session has ended: 9 s unless told.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    // A stop must not wait long for a controller that is being stopped as well.
    "controlled.shutdown.max.retries": "1",
  };
}

function listenersOf(
  own: Readonly<Record<string, string>>,
  { listeners = {}, elsewhere }: KafkaOptions,
): Readonly<Record<string, string>> {
  const added = (name: string, item: (protocol: string, port: number) => string) =>
    [
      own[name],
      ...Object.entries(listeners).map(([protocol, port]) => item(protocol, port)),
    ].join();
  if (elsewhere !== undefined) {
    const there = (text: string) => text.replace("127.0.0.1", elsewhere.host);
    return {
      listeners: there(own.listeners ?? ""),
      "advertised.listeners": there(own["advertised.listeners"] ?? ""),
    };
  }
  return {
    listeners: added("listeners", (protocol, port) => `${protocol}://127.0.0.1:${port}`),
    "advertised.listeners": added("advertised.listeners", (protocol, port) => {
      return `${protocol}://127.0.0.1:${port}`;
    }),
    "listener.security.protocol.map": added("listener.security.protocol.map", (protocol) => {
      return `${protocol}:${protocol}`;
    }),
  };
}

/** The formatted storage of node 1 that every node starts from; formatting takes a JVM 2 s. */
async function format(java: string, libs: string, dir: string): Promise<void> {
  progress("kafka: formatting the storage that every broker starts from");
  const node = { id: 1, port: 9092, controllerPort: 9093 };
  const properties = { ...propertiesOf(node, [node], dir), "log.dirs": dir };
  const file = `${dir}.properties`;
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
  await Bun.write(file, lines.join(""));
  const tool = [java, "-cp", join(libs, "*"), "kafka.tools.StorageTool"];
  await command([...tool, "format", "-t", "ZGJ1cy10ZXN0LWNsdXN0ZQ", "-c", file]);
  await Bun.file(file).delete();
}

const homeOf = (run: string, { id }: Node): string => join(run, `node-${id}`);

/** As Kafka makes its own: a UUID in base64, which may not begin with a dash. */
function randomId(): string {
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url");
  return id.startsWith("-") ? randomId() : id;
}

/** Gives a copy of the template the identity of another node. */
async function rename(data: string, id: number, clusterId: string): Promise<void> {
  const file = join(data, "meta.properties");
  const text = (await Bun.file(file).text())
    .replace(/^node\.id=.*$/m, `node.id=${id}`)
    .replace(/^cluster\.id=.*$/m, `cluster.id=${clusterId}`)
    .replace(/^directory\.id=.*$/m, `directory.id=${randomId()}`);
  await Bun.write(file, text);
}

function broker(
  { id, port }: Node,
  server: ServerProcess,
  logDirs: readonly string[],
): KafkaBroker {
  return {
    ...{ id, port, logDirs },
    get pid() {
      return server.pid;
    },
    stop: () => server.stop(),
    kill: (signal) => server.kill(signal),
    restart: async () => {
      await server.stop();
      await server.start();
    },
  };
}

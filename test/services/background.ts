import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDir } from "./cache.ts";
import { detachServers, takeDetached } from "./detached.ts";
import {
  type MysqlFlavor,
  startElasticsearch,
  startKafka,
  startMysql,
  startToxiproxy,
  startZookeeper,
} from "./index.ts";
import { progress } from "./progress.ts";

/** A server that goes on in the background, as written down in the cache folder. */
export type RunningService = {
  readonly name: string;
  readonly address: string;
  readonly pids: readonly number[];
  /** When each process started, in clock ticks: a process id alone may be used again. */
  readonly startTicks: readonly string[];
  readonly dir: string;
  /** What a person may do with it. */
  readonly hints: readonly string[];
};

type Started = Pick<RunningService, "address" | "hints">;

const starters: Readonly<Record<string, () => Promise<Started>>> = {
  mysql: () => mysqlUp("mysql"),
  mariadb: () => mysqlUp("mariadb"),
  kafka: () => kafkaUp(1),
  kafka3: () => kafkaUp(3),
  zookeeper: async () => ({ address: (await startZookeeper()).connect, hints: [] }),
  elasticsearch: async () => {
    const { url } = await startElasticsearch();
    return {
      address: url,
      hints: [`curl ${url}/_cat/indices?v`, `DBUS_TEST_ELASTICSEARCH=${url} ./run test`],
    };
  },
  toxiproxy: async () => ({ address: (await startToxiproxy()).adminUrl, hints: [] }),
};

export const serviceNames: readonly string[] = Object.keys(starters);

async function mysqlUp(flavor: MysqlFlavor): Promise<Started> {
  const { port } = await startMysql({ flavor });
  const hints = [
    `mysql -h 127.0.0.1 -P ${port} -u root        (no password)`,
    `./run dbusd --from mysql://root@127.0.0.1:${port}/shop --to -`,
    `DBUS_TEST_${flavor.toUpperCase()}=127.0.0.1:${port} ./run test`,
  ];
  return { address: `127.0.0.1:${port}`, hints };
}

async function kafkaUp(brokers: 1 | 3): Promise<Started> {
  const { bootstrap } = await startKafka({ brokers });
  const first = bootstrap.split(",")[0];
  const hints = [
    `./run dbusd --from mysql://root@127.0.0.1:PORT/shop --to kafka://${first}/cdc`,
    `DBUS_TEST_KAFKA=${bootstrap} ./run test`,
  ];
  return { address: bootstrap, hints };
}

/** Starts a server in the background, unless it runs already. */
export async function upService(name: string): Promise<void> {
  const starter = starters[name];
  if (starter === undefined) throw new Error(`there is no service ${name}`);
  if ((await runningServices()).some((service) => service.name === name)) {
    progress(`${name}: is already running`);
    return;
  }
  // Not in the cache folder: that may lie in root's home, which another user may not enter.
  const dir = await mkdtemp(join(tmpdir(), `dbus-up-${name}-`));
  await chmod(dir, 0o755);
  detachServers(dir);
  const started = await starter().catch((error: unknown) => {
    for (const pid of takeDetached()) if (startTick(pid) !== "") process.kill(pid, "SIGKILL");
    throw error;
  });
  const pids = takeDetached();
  await mkdir(join(cacheDir(), "run"), { recursive: true });
  const service = { name, ...started, pids, startTicks: pids.map(startTick), dir };
  await Bun.write(recordOf(name), `${JSON.stringify(service, null, 2)}\n`);
}

/** What was started in the background and still runs; records of dead servers are removed. */
export async function runningServices(): Promise<RunningService[]> {
  const dir = join(cacheDir(), "run");
  const running: RunningService[] = [];
  for (const file of existsSync(dir) ? await readdir(dir) : []) {
    if (!file.endsWith(".json")) continue;
    const service = (await Bun.file(join(dir, file)).json()) as RunningService;
    if (alivePids(service).length > 0) running.push(service);
    else await forget(service);
  }
  return running;
}

/** Stops a server of the background: SIGTERM, SIGKILL after 10 s; then its data is removed. */
export async function downService(service: RunningService): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (const pid of alivePids(service)) process.kill(pid, "SIGTERM");
  while (alivePids(service).length > 0 && Date.now() < deadline) await Bun.sleep(50);
  for (const pid of alivePids(service)) process.kill(pid, "SIGKILL");
  await forget(service);
  progress(`${service.name}: stopped`);
}

function alivePids(service: RunningService): number[] {
  return service.pids.filter((pid, index) => startTick(pid) === service.startTicks[index]);
}

async function forget(service: RunningService): Promise<void> {
  await rm(service.dir, { recursive: true, force: true });
  await rm(recordOf(service.name), { force: true });
}

function recordOf(name: string): string {
  return join(cacheDir(), "run", `${name}.json`);
}

/** Field 22 of /proc/PID/stat, after the command's closing parenthesis; empty when it is dead. */
function startTick(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "" : (fields[19] ?? "");
  } catch {
    return "";
  }
}

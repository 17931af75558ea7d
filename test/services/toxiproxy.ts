import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { command } from "./command.ts";
import { goTool } from "./go-tool.ts";
import { freePort } from "./port.ts";
import { removeRunDir, runDir } from "./run-dir.ts";
import { startServer } from "./server-process.ts";

/** What a toxic does to a direction: see Toxiproxy's list for types and their attributes. */
export type Toxic = {
  readonly type:
    | "latency"
    | "bandwidth"
    | "slow_close"
    | "timeout"
    | "reset_peer"
    | "slicer"
    | "limit_data";
  /** From the server to the client (`downstream`, the default) or the other way. */
  readonly stream?: "upstream" | "downstream";
  readonly toxicity?: number;
  readonly attributes?: Readonly<Record<string, number>>;
};

/** One listener that passes bytes to an upstream address until it is told to misbehave. */
export type Proxy = {
  readonly host: string;
  readonly port: number;
  /** Adds a toxic and returns its name. */
  addToxic(toxic: Toxic): Promise<string>;
  removeToxic(name: string): Promise<void>;
  /** False closes the listener and every connection; true opens it again on the same port. */
  setEnabled(enabled: boolean): Promise<void>;
};

export type ToxiproxyService = {
  readonly adminUrl: string;
  readonly pid: number;
  /** Opens a proxy to `upstream` (host:port) on a free port, or on the one given. */
  proxy(upstream: string, port?: number): Promise<Proxy>;
  stop(): Promise<void>;
};

const version = "2.12.0";

/** Starts Toxiproxy 2.12: a proxy that delays, cuts and throttles connections when told. */
export async function startToxiproxy(): Promise<ToxiproxyService> {
  const bin = join(await cached(`toxiproxy-${version}`, build), "server");
  const run = await runDir("toxiproxy");
  const port = await freePort();
  const adminUrl = `http://127.0.0.1:${port}`;
  const server = await startServer({
    name: "toxiproxy",
    argv: [bin, "-host", "127.0.0.1", "-port", String(port)],
    env: { LOG_LEVEL: "warn" },
    logFile: join(run, "server.log"),
    ready: async () => (await fetch(`${adminUrl}/version`)).ok,
  });
  return {
    adminUrl,
    pid: server.pid,
    proxy: (upstream, listen) => openProxy(adminUrl, upstream, listen),
    stop: async () => {
      await server.stop();
      removeRunDir(run);
    },
  };
}

async function build(dir: string): Promise<void> {
  const { go, env } = await goTool();
  const gobin = join(dir, "bin");
  await mkdir(gobin, { recursive: true });
  await command([go, "install", `github.com/Shopify/toxiproxy/v2/cmd/server@v${version}`], {
    env: { ...env, GOBIN: gobin, GOFLAGS: "-modcacherw", CGO_ENABLED: "0" },
    what: `toxiproxy: go install of version ${version}`,
  });
  if (!existsSync(join(gobin, "server"))) throw new Error("go install made no toxiproxy server");
  await command(["mv", join(gobin, "server"), join(dir, "server")]);
}

async function openProxy(adminUrl: string, upstream: string, listen?: number): Promise<Proxy> {
  const port = listen ?? (await freePort());
  const name = `p${port}`;
  const call = async (method: string, path: string, body?: unknown): Promise<string> => {
    const answer = await fetch(`${adminUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`toxiproxy: ${method} ${path}: ${answer.status} ${text}`);
    return text;
  };
  await call("POST", "/proxies", { name, listen: `127.0.0.1:${port}`, upstream, enabled: true });
  return {
    host: "127.0.0.1",
    port,
    addToxic: async (toxic) => {
      const made = JSON.parse(await call("POST", `/proxies/${name}/toxics`, toxic)) as {
        name: string;
      };
      return made.name;
    },
    removeToxic: async (toxic) => void (await call("DELETE", `/proxies/${name}/toxics/${toxic}`)),
    setEnabled: async (enabled) => void (await call("POST", `/proxies/${name}`, { enabled })),
  };
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import { compileGraph } from "../config/compile.ts";
import type { Config, FilterEntry } from "../config/config.ts";
import { DbusError, toDbusError } from "../errors.ts";
import type { Packet } from "../flow/packet.ts";
import { createRouteTable, type RouteTable } from "../flow/route-table.ts";
import { silentLog } from "../log.ts";
import type { FilterContext } from "../plugin/context.ts";
import { withDeadline } from "../plugin/deadline.ts";
import type { Applied } from "../plugin/define.ts";
import { loadModule } from "../plugin/registry.ts";

export type Failed = { readonly node: string; readonly code: string; readonly reason: string };

/** What became of the packets of a test. */
export type Outcome = {
  readonly outputs: ReadonlyMap<string, readonly Packet[]>;
  readonly failed: readonly Failed[];
  readonly unrouted: readonly Packet[];
};

type Node = {
  readonly entry: FilterEntry;
  readonly context: FilterContext;
  readonly state: unknown;
  gathered: { readonly value: unknown; readonly first: Packet } | undefined;
};

/** A filter whose call does not return in this time fails the packet. */
const CALL_MS_MAX = 5_000;

/**
 * Sends packets through the filters of a configuration by its own route table. Inputs and outputs
 * are not opened, and nothing waits: sleeping filters are woken at once, by a clock that has moved on.
 */
export async function runPipeline(
  config: Config,
  { from, at, packets }: { from?: string; at?: string; packets: readonly Packet[] },
): Promise<Outcome> {
  const routes = routesOf(config);
  const outputs = new Map<string, Packet[]>();
  const failed: Failed[] = [];
  const unrouted: Packet[] = [];
  const stateDir = mkdtempSync(join(tmpdir(), "dbus-test-"));
  const abort = new AbortController();
  const nodes = new Map<string, Node>();
  try {
    for (const entry of config.filters) {
      const own = contextOf(entry, config, stateDir, abort.signal);
      const state = await entry.plugin.open(own, entry.config);
      nodes.set(entry.name, { entry, context: own, state, gathered: undefined });
    }
    for (const packet of packets) {
      if (at === undefined) await send(from ?? "", packet);
      else await give(at, packet);
    }
    for (const { entry } of inOrder(nodes, config)) await flush(entry.name);
  } finally {
    abort.abort();
    for (const { entry, state } of nodes.values()) await entry.plugin.close?.(state);
    rmSync(stateDir, { recursive: true, force: true });
  }
  return { outputs, failed, unrouted };

  async function send(sender: string, packet: Packet): Promise<void> {
    const targets = routes.get(sender)?.(packet.ident) ?? [];
    if (targets.length === 0) unrouted.push(packet);
    for (const name of targets) {
      if (nodes.has(name)) await give(name, packet);
      else outputs.set(name, [...(outputs.get(name) ?? []), packet]);
    }
  }

  async function give(name: string, packet: Packet): Promise<void> {
    const node = nodes.get(name) as Node;
    try {
      for (const made of await applied(node, packet)) await send(name, made);
    } catch (thrown) {
      const { code, message } = toDbusError(thrown, "FILTER_FAILED");
      failed.push({ node: name, code, reason: message });
    }
  }

  async function flush(name: string): Promise<void> {
    const node = nodes.get(name) as Node;
    const { gathered, entry } = node;
    node.gathered = undefined;
    if (!gathered) return;
    const made = entry.plugin.gather?.end(gathered.value, gathered.first, node.state) ?? [];
    for (const packet of made) await send(name, packet);
  }
}

async function applied(node: Node, packet: Packet): Promise<readonly Packet[]> {
  const { entry, state, context } = node;
  const { gather } = entry.plugin;
  if (gather) {
    node.gathered ??= { value: gather.begin(state), first: packet };
    gather.add(node.gathered.value, packet, state);
    return [];
  }
  const answer = entry.plugin.apply(state, packet, context);
  if (!(answer instanceof Promise)) return packetsOf(answer);
  const ms = Math.min(entry.timeoutMs || CALL_MS_MAX, CALL_MS_MAX);
  const what = `apply of ${entry.name}`;
  return packetsOf(await withDeadline(answer, { clock: systemClock, ms, what }));
}

function packetsOf(answer: Applied): readonly Packet[] {
  if (answer === null) return [];
  return "payload" in answer ? [answer as Packet] : [...(answer as Iterable<Packet>)];
}

/** By sender: where its packets go. All inputs share the router's table. */
function routesOf(config: Config): ReadonlyMap<string, RouteTable<string>> {
  const { edges } = compileGraph(config);
  const receivers = [...config.filters, ...config.outputs];
  const table = (senders: ReadonlySet<string>) => {
    const to = new Set(edges.filter(({ from }) => senders.has(from)).map((edge) => edge.to));
    const reached = receivers.filter(({ name }) => to.has(name));
    return createRouteTable(reached.map(({ match, name }) => ({ match, target: name })));
  };
  const inputs = config.inputs.map(({ name }) => name);
  const router = table(new Set(inputs));
  return new Map([
    ...inputs.map((name) => [name, router] as const),
    ...config.filters.map(({ name }) => [name, table(new Set([name]))] as const),
  ]);
}

/** Filters before those that they send to. */
function inOrder(nodes: ReadonlyMap<string, Node>, config: Config): readonly Node[] {
  const { edges } = compileGraph(config);
  const done = new Set<string>();
  const order: Node[] = [];
  function visit(name: string): void {
    const node = nodes.get(name);
    if (!node || done.has(name)) return;
    done.add(name);
    for (const edge of edges) if (edge.to === name) visit(edge.from);
    order.push(node);
  }
  for (const name of nodes.keys()) visit(name);
  return order;
}

function contextOf(
  { name, ident }: FilterEntry,
  { file }: Config,
  stateDir: string,
  signal: AbortSignal,
): FilterContext {
  const load = (path: string) => loadModule(path, file);
  return { name, ident, clock: hastyClock(), log: silentLog, stateDir, signal, load };
}

/** Timers fire at once, and the clock has moved on by as much. */
function hastyClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    wall: () => now,
    after(ms, run) {
      let live = true;
      queueMicrotask(() => {
        if (!live) return;
        now += ms;
        run();
      });
      return {
        cancel() {
          live = false;
        },
      };
    },
  };
}

/** Throws `USAGE` for a test of a node that the configuration does not have. */
export function requireNode(config: Config, kind: "from" | "at", name: string): void {
  const all = kind === "at" ? config.filters : [...config.inputs, ...config.filters];
  if (all.some((entry) => entry.name === name)) return;
  const names = all.map((entry) => entry.name).join(", ");
  throw new DbusError("USAGE", `${kind}: there is no ${name}`, { remedy: `there are ${names}` });
}

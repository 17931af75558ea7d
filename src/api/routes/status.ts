import { z } from "zod";
import type { AdminPort } from "../port.ts";
import { route } from "../route.ts";
import { actorSchema, gapSchema, statSchema, topologySchema } from "../schemas.ts";

const supervisor = {
  method: "get",
  summary: "The supervision tree with what each actor is doing.",
  response: actorSchema,
  handle: (port: AdminPort) => ({ body: port.supervisor() }),
} as const;

const pluginSchema = z
  .object({
    name: z.string(),
    kind: z.enum(["input", "filter", "output"]),
    plugin: z.string(),
    state: z.string().describe("The worst of its instances."),
  })
  .meta({ id: "RunningPlugin" });

export const statusRoutes = [
  route({
    method: "get",
    path: "/api/v1/stat",
    summary: "Counters, lag and state of everything.",
    response: statSchema,
    handle: (port) => ({ body: port.stat() }),
  }),
  route({
    method: "get",
    path: "/api/v1/topology",
    summary: "The graph of inputs, filters and outputs.",
    response: topologySchema,
    handle: (port) => ({ body: port.topology() }),
  }),
  route({ path: "/api/v1/supervisor", ...supervisor }),
  route({ path: "/api/supervisor", ...supervisor }),
  route({
    method: "get",
    path: "/api/v1/plugins",
    summary: "What runs: each entry of the config with its plugin and state.",
    response: z.array(pluginSchema),
    handle: (port) => ({ body: runningPlugins(port) }),
  }),
  route({
    method: "get",
    path: "/api/v1/gaps",
    summary: "Pieces of sources that were skipped, and why.",
    response: z.array(gapSchema),
    handle: (port) => ({ body: port.gaps() }),
  }),
  route({
    method: "get",
    path: "/api/v1/config",
    summary: "The configuration as written, secrets redacted.",
    response: z.unknown(),
    handle: (port) => ({ body: port.config() }),
  }),
];

const worstFirst = [
  "failed",
  "blocked",
  "backoff",
  "stopped",
  "stopping",
  "starting",
  "paused",
  "finished",
  "running",
  "standby",
];

function runningPlugins(port: AdminPort): readonly z.infer<typeof pluginSchema>[] {
  const { inputs, filters, outputs } = port.stat();
  const states = new Map<string, string[]>();
  for (const { name, state } of [...inputs, ...filters, ...outputs]) {
    states.set(name, [...(states.get(name) ?? []), state]);
  }
  return port.topology().nodes.map(({ name, kind, plugin }) => {
    const all = states.get(name) ?? [];
    const state = worstFirst.find((one) => all.includes(one)) ?? all[0] ?? "stopped";
    return { name, kind, plugin, state };
  });
}

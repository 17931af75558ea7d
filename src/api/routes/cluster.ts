import { z } from "zod";
import { DbusError } from "../../errors.ts";
import type { ClusterPort } from "../cluster-port.ts";
import {
  clusterSchema,
  decisionSchema,
  participantSchema,
  pastDecisionSchema,
  planSchema,
  resourceSchema,
} from "../cluster-schemas.ts";
import type { AdminPort } from "../port.ts";
import { route } from "../route.ts";

const id = z.string().min(1).max(256);
const changed = z.object({ changed: z.boolean() });
const operate = { method: "post", role: "operate" } as const;

export function clusterOf({ cluster }: AdminPort): ClusterPort {
  if (cluster) return cluster;
  throw new DbusError("CLUSTER_NONE", "this daemon is in no cluster");
}

export const clusterRoutes = [
  route({
    method: "get",
    path: "/api/v1/clusters",
    summary: "The cluster that this daemon is in, in a line; none where it is in none.",
    response: z.array(clusterSchema),
    handle: async ({ cluster }) => ({ body: cluster ? [await cluster.summary()] : [] }),
  }),
  route({
    method: "get",
    path: "/api/v1/cluster/participants",
    summary: "Everybody that has ever joined: what they are, and what they have.",
    response: z.array(participantSchema),
    handle: async (port) => ({ body: (await clusterOf(port).view()).participants }),
  }),
  route({
    method: "get",
    path: "/api/v1/cluster/resources",
    summary: "What is read: by whom, since when, up to where, or why not.",
    response: z.array(resourceSchema),
    handle: async (port) => ({ body: (await clusterOf(port).view()).resources }),
  }),
  route({
    method: "get",
    path: "/api/v1/cluster/decision",
    summary: "The newest decision of the leader; null before the first.",
    response: decisionSchema.nullable(),
    handle: async (port) => ({ body: await clusterOf(port).decision() }),
  }),
  route({
    method: "get",
    path: "/api/v1/cluster/history",
    summary: "Who decided what in which epoch, and who had asked for it; newest first.",
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(100).default(100) }),
    response: z.array(pastDecisionSchema),
    handle: async (port, { query }) => ({ body: await clusterOf(port).history(query.limit) }),
  }),
  route({
    ...operate,
    path: "/api/v1/cluster/rebalance",
    summary: "Asks the leader for a decision now: no wish and no waiting counts any more.",
    query: z.strictObject({
      dryRun: z.enum(["true", "false"]).optional().describe("Only says what would change first."),
    }),
    body: z.strictObject({}),
    response: z.object({ changed: z.boolean(), plan: planSchema }),
    async handle(port, { query, by }) {
      const cluster = clusterOf(port);
      const plan = await cluster.plan();
      const asked = query.dryRun === "true" ? { changed: false } : await cluster.rebalance(by);
      return { body: { ...asked, plan } };
    },
  }),
  route({
    ...operate,
    path: "/api/v1/cluster/migrate",
    summary: "Wants a resource to be with a participant, and to stay there; null takes that back.",
    body: z.strictObject({
      resource: id.describe("Its id, its input, or input/resource."),
      to: id.nullable(),
    }),
    response: z.object({ changed: z.boolean(), resource: z.string() }),
    handle: async (port, { body, by }) => ({
      body: await clusterOf(port).migrate(body.resource, body.to, by),
    }),
  }),
  route({
    ...operate,
    path: "/api/v1/cluster/drain",
    summary: "Moves everything away from a participant, and keeps it empty until it is undrained.",
    body: z.strictObject({ participant: id, drain: z.boolean().default(true) }),
    response: changed,
    handle: async (port, { body, by }) => ({
      body: await clusterOf(port).drain(body.participant, body.drain, by),
    }),
  }),
  route({
    ...operate,
    path: "/api/v1/cluster/weight",
    summary: "Sets the share of the load that a participant takes; null: as it says itself.",
    body: z.strictObject({ participant: id, weight: z.number().min(0).max(1000).nullable() }),
    response: changed,
    handle: async (port, { body, by }) => ({
      body: await clusterOf(port).weight(body.participant, body.weight, by),
    }),
  }),
  route({
    method: "post",
    path: "/api/v1/cluster/forget",
    summary: "Takes a member off the list that is gone for good.",
    body: z.strictObject({ participant: id }),
    response: changed,
    handle: async (port, { body }) => ({ body: await clusterOf(port).forget(body.participant) }),
  }),
];

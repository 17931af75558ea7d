import { z } from "zod";
import { configDocumentSchema, configVersionSchema, pushReportSchema } from "../cluster-schemas.ts";
import { route } from "../route.ts";
import { clusterOf } from "./cluster.ts";

const version = z.int().min(1);
const dryRun = z.boolean().default(false).describe("Only says whether it would be taken.");

export const clusterConfigRoutes = [
  route({
    method: "get",
    path: "/api/v1/cluster/config",
    summary: "The configurations that were pushed, newest first, without their texts.",
    response: z.array(configVersionSchema),
    handle: async (port) => ({ body: await clusterOf(port).config.versions() }),
  }),
  route({
    method: "get",
    path: "/api/v1/cluster/config/{version}",
    role: "operate",
    summary: "One of them as it was pushed, or the one that counts: current.",
    params: z.strictObject({ version: z.union([z.literal("current"), z.coerce.number().int()]) }),
    response: configDocumentSchema,
    handle: async (port, { params }) => {
      const { version: n } = params;
      return { body: await clusterOf(port).config.read(n === "current" ? null : n) };
    },
  }),
  route({
    method: "post",
    path: "/api/v1/cluster/config",
    summary: "Makes a text the configuration that participants share, or changes nothing.",
    body: z.strictObject({
      text: z.string().min(1).describe("The YAML, with references in place of secrets."),
      base: z.int().min(0).optional().describe("Refused unless this version counts; 0 is none."),
      dryRun,
    }),
    response: pushReportSchema,
    handle: async (port, { body, by }) => ({ body: await clusterOf(port).config.push(body, by) }),
  }),
  route({
    method: "post",
    path: "/api/v1/cluster/config/rollback",
    summary: "Lets an older text count again, as a new version.",
    body: z.strictObject({
      to: version.nullable().default(null).describe("null: the one before."),
      dryRun,
    }),
    response: pushReportSchema,
    handle: async (port, { body, by }) => ({
      body: await clusterOf(port).config.rollback(body.to, body.dryRun, by),
    }),
  }),
];

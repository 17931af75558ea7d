import { z } from "zod";
import { route } from "../route.ts";
import { checkpointSchema, reloadSchema } from "../schemas.ts";

const name = z.string().min(1).max(256);
const inputParams = z.strictObject({ input: name });
const keyParams = z.strictObject({ input: name, resource: name, partition: name });
const dryRunQuery = z.strictObject({
  dryRun: z.enum(["true", "false"]).optional().describe("Only checks whether it could be done."),
});
const done = z.object({ done: z.literal(true) });
const noBody = z.strictObject({});

export const controlRoutes = [
  route({
    method: "post",
    path: "/api/v1/reload",
    summary: "Reads the configuration again and changes what runs to fit it, or changes nothing.",
    query: dryRunQuery,
    body: noBody,
    response: reloadSchema,
    handle: async (port, { query }) => ({
      body: await port.reload({ by: "the admin API", dryRun: query.dryRun === "true" }),
    }),
  }),
  route({
    method: "put",
    path: "/api/v1/pause/{input}",
    role: "operate",
    summary: "Pauses an input; what is in flight is delivered, the rest of the bus goes on.",
    params: inputParams,
    body: noBody,
    response: done,
    async handle(port, { params }) {
      await port.pause(params.input);
      return { body: { done: true } };
    },
  }),
  route({
    method: "put",
    path: "/api/v1/resume/{input}",
    role: "operate",
    summary: "Resumes a paused input where it was.",
    params: inputParams,
    body: noBody,
    response: done,
    async handle(port, { params }) {
      await port.resume(params.input);
      return { body: { done: true } };
    },
  }),
  route({
    method: "get",
    path: "/api/v1/checkpoints",
    summary: "Every checkpoint, and the watermark that is to be committed next.",
    response: z.array(checkpointSchema),
    handle: async (port) => ({ body: await port.checkpoints() }),
  }),
  route({
    method: "put",
    path: "/api/v1/checkpoints/{input}/{resource}/{partition}",
    summary: "Sets a checkpoint: the input reads on from there.",
    params: keyParams,
    query: dryRunQuery,
    body: z.strictObject({ position: z.json().describe("As the input's plugin spells it.") }),
    response: done,
    async handle(port, { params, query, body }) {
      await port.setCheckpoint(params, body.position, query.dryRun === "true");
      return { body: { done: true } };
    },
  }),
  route({
    method: "delete",
    path: "/api/v1/checkpoints/{input}/{resource}/{partition}",
    summary: "Forgets a checkpoint: the input starts anew under its start policy.",
    params: keyParams,
    query: dryRunQuery,
    body: noBody,
    response: done,
    async handle(port, { params, query }) {
      await port.resetCheckpoint(params, query.dryRun === "true");
      return { body: { done: true } };
    },
  }),
];

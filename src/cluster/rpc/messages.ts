import { z } from "zod";
import type { LostAnswer } from "../agreement.ts";

/** What is called for, by path; both are POST with a body in JSON. */
export const rpcPaths = { doorbell: "/rpc/v1/doorbell", lost: "/rpc/v1/lost" } as const;

const count = z.int().min(0);

/** There may be a decision: it is in ZooKeeper, and nothing of it is here. */
export const doorbellSchema = z.strictObject({
  cluster: z.string(),
  epoch: count,
  gen: count,
});

export const lostCallSchema = z.strictObject({ cluster: z.string() });

export const lostAnswerSchema: z.ZodType<LostAnswer> = z.strictObject({
  lost: z.boolean(),
  known: z.array(z.string().min(1)).max(10_000),
});

/** A call is a few numbers; an answer names everybody of the cluster. */
export const callBytesMax = 4 * 1024;
export const answerBytesMax = 1024 * 1024;

/** An answer comes within this time or is none. */
export const answerMs = 1_000;

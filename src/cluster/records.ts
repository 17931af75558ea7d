import { type ZodType, z } from "zod";
import { DbusError, type ErrorCode } from "#src/errors.ts";

/*
 * What the nodes of a cluster hold, as JSON. Strict when it is read: what somebody else wrote there
 * is an error with a place, never a default.
 */

const pid = z.string().min(1);
const inc = z.string().min(1);
const fence = z.int();
const count = z.int().min(0);

/** A live participant; ephemeral. */
export const participantSchema = z.strictObject({
  inc,
  /** Where its RPC listens, `host:port`; null when it has none. */
  rpc: z.string().nullable(),
  weight: z.number().min(0),
  tags: z.array(z.string()),
  tenants: z.array(z.string()),
  state: z.enum(["online", "draining"]),
  /** Protocol versions that it speaks, from the first to the last. */
  proto: z.tuple([count, count]),
  build: z.string(),
  configVersion: count,
});
export type ParticipantRecord = z.output<typeof participantSchema>;

/** Where to find a member, alive or not, and whom it asks when ZooKeeper is gone; persistent. */
export const memberSchema = z.strictObject({ rpc: z.string().nullable(), knows: z.array(pid) });
export type MemberRecord = z.output<typeof memberSchema>;

/** What is to be read; persistent. */
export const resourceSchema = z.strictObject({
  input: z.string(),
  resource: z.string(),
  cost: z.number().min(1),
  group: z.string().nullable(),
  tags: z.array(z.string()),
  tenant: z.string().nullable(),
  /** What its reader is to be known by where it reads, whoever that is; given with the node. */
  readerId: z.int().min(1).optional(),
});
export type ResourceRecord = z.output<typeof resourceSchema>;

/** Who is to read it. Its version is the fence of every write that the owner makes. */
export const assignSchema = z.strictObject({
  owner: pid.nullable(),
  inc: inc.nullable(),
  gen: count,
  epoch: count,
  /** The last that was an owner, and its fence. */
  prev: z.strictObject({ pid, fence }).nullable(),
});
export type AssignRecord = z.output<typeof assignSchema>;

/** Who reads it; ephemeral, written by its owner. */
export const claimSchema = z.strictObject({
  pid,
  inc,
  fence,
  state: z.enum(["opening", "running", "closing"]),
});
export type ClaimRecord = z.output<typeof claimSchema>;

/** Up to where it was read: the positions of its partitions, as the inputs spell them. */
export const checkpointSchema = z.strictObject({
  positions: z.record(z.string(), z.string()),
  fence,
  /** Grows by one with every commit. */
  seq: count,
  /** Unix milliseconds, for people. */
  at: z.number(),
});
export type CheckpointRecord = z.output<typeof checkpointSchema>;

/** How the last tries to open it went. */
export const statusSchema = z.strictObject({
  state: z.enum(["ok", "failed"]),
  code: z.string().nullable(),
  reason: z.string().nullable(),
  attempts: count,
  /** How long nobody tries again, counted by whoever reads it: clocks of others are not believed. */
  waitMs: count,
  failedOn: z.array(pid),
  /** The fence under which it failed: an assignment with a newer one is another try. */
  fence,
});
export type StatusRecord = z.output<typeof statusSchema>;

export const decisionSchema = z.strictObject({
  gen: count,
  epoch: count,
  by: z.string(),
  /** Resources that `from` closes; they go to `to` afterwards, or to nobody: not wanted any more. */
  revoke: z.record(z.string(), z.strictObject({ from: pid, to: pid.nullable() })),
  assign: z.record(z.string(), pid),
  why: z.string(),
});
export type DecisionRecord = z.output<typeof decisionSchema>;

/** A decision as it is remembered, cut to what one node can hold; `asked`: who wanted it, and what. */
export const pastDecisionSchema = decisionSchema.extend({
  at: z.number(),
  asked: z.array(z.string()),
  /** How many revocations and assignments are not told of. */
  more: count,
});
export type PastDecision = z.output<typeof pastDecisionSchema>;

/** Where an operator wants a resource: it stays there until another is asked for. */
export const wishSchema = z.strictObject({ to: pid, by: z.string() });
export type WishRecord = z.output<typeof wishSchema>;

/** What an operator said of a participant; it counts whatever that one says of itself. */
export const orderSchema = z.strictObject({
  drain: z.boolean(),
  weight: z.number().min(0).nullable(),
  by: z.string(),
  at: z.number(),
});
export type OrderRecord = z.output<typeof orderSchema>;

/** Somebody asks for a decision now. */
export const requestSchema = z.strictObject({ by: z.string(), at: z.number() });
export type RequestRecord = z.output<typeof requestSchema>;

export const epochSchema = z.strictObject({ epoch: count });
export const leaderSchema = z.strictObject({ pid, inc, epoch: count, rpc: z.string().nullable() });

export function encode(record: object): Uint8Array {
  return Buffer.from(JSON.stringify(record), "utf8");
}

/** Throws `code` when the node at `path` does not hold what it should. */
export function decode<T>(
  schema: ZodType<T>,
  data: Uint8Array,
  path: string,
  code: ErrorCode = "CLUSTER_STATE_CORRUPT",
): T {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString("utf8"));
  } catch (cause) {
    throw new DbusError(code, `the node ${path} does not hold JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  throw new DbusError(code, `the node ${path} is not as it should be: ${where} ${issue?.message}`);
}

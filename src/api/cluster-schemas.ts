import { z } from "zod";
import type {
  ClusterSummary,
  ConfigDocument,
  ConfigVersion,
  DecisionRecord,
  ParticipantView,
  PastDecision,
  PlanView,
  PushReport,
  ResourceView,
} from "./cluster-port.ts";
import { configProblem } from "./schemas.ts";

const text = z.string();
const number = z.number();
const at = number.describe("Unix milliseconds.");
const orphanReason = z.enum(["nobody", "tags", "tenant", "waiting"]);

export const clusterSchema: z.ZodType<ClusterSummary> = z
  .object({
    name: text,
    connect: text.nullable().describe("null for a bus that runs alone: a cluster of one."),
    self: text.describe("Who answers."),
    session: z.object({
      state: z.enum([
        ...(["none", "connecting", "connected", "suspended", "expired"] as const),
        ...(["denied", "closed"] as const),
      ]),
      timeoutMs: number.nullable(),
      leaseLeftMs: number.nullable(),
    }),
    trouble: z
      .object({ code: text, message: text })
      .nullable()
      .describe("Why it takes no part, or cannot decide as the leader."),
    leader: text.nullable(),
    epoch: number.nullable(),
    gen: number.nullable().describe("The number of the newest decision."),
    participants: number.nullable(),
    resources: number.nullable(),
    unread: number.nullable().describe("Resources that nobody reads now."),
    quarantined: number.nullable().describe("Those that wait for a person."),
  })
  .meta({ id: "Cluster" });

export const participantSchema: z.ZodType<ParticipantView> = z
  .object({
    id: text,
    state: z.enum(["online", "draining", "gone"]),
    leader: z.boolean(),
    weight: number.nullable().describe("As decisions count it."),
    ownWeight: number.nullable().describe("As it says itself."),
    order: z
      .object({ drain: z.boolean(), weight: number.nullable(), by: text, at })
      .nullable()
      .describe("What an operator said of it."),
    tags: z.array(text),
    tenants: z.array(text),
    build: text.nullable(),
    proto: z.tuple([number, number]).nullable().describe("Protocol versions that it speaks."),
    configVersion: number.nullable().describe("The pushed configuration that it runs."),
    configRefused: z
      .object({ n: number, code: text, problems: z.array(text), at })
      .nullable()
      .describe("The newest one, when it would not take it."),
    rpc: text.nullable(),
    resources: number,
    cost: number,
  })
  .meta({ id: "Participant" });

export const resourceSchema: z.ZodType<ResourceView> = z
  .object({
    id: text,
    input: text,
    resource: text,
    cost: number,
    group: text.nullable(),
    tags: z.array(text),
    tenant: text.nullable(),
    owner: text.nullable(),
    state: z.enum([
      ...(["orphan", "assigned", "opening", "running", "closing", "released"] as const),
      ...(["failed", "stray", "lost"] as const),
    ]),
    why: orphanReason.nullable().describe("Why nobody is given it."),
    since: at.describe("Since when the assignment is what it is, in Unix milliseconds."),
    gen: number.describe("The decision that made it so."),
    unreadSince: at.nullable().describe("Since when nobody reads it; null while it is read."),
    failure: z
      .object({
        code: text.nullable(),
        reason: text.nullable(),
        attempts: number,
        waitMs: number,
        failedOn: z.array(text),
        quarantined: z.boolean(),
      })
      .nullable(),
    wish: z.object({ to: text, by: text }).nullable().describe("Where an operator wants it."),
    checkpoint: z.object({ seq: number, at, positions: z.record(text, text) }).nullable(),
  })
  .meta({ id: "Resource" });

const move = z.object({ from: text, to: text });
const decisionFields = {
  gen: number,
  epoch: number,
  by: text.describe("The leader that decided."),
  revoke: z.record(text, move),
  assign: z.record(text, text),
  why: text,
};

export const decisionSchema: z.ZodType<DecisionRecord> = z
  .object(decisionFields)
  .meta({ id: "Decision" });

export const pastDecisionSchema: z.ZodType<PastDecision> = z
  .object({
    ...decisionFields,
    at,
    asked: z.array(text).describe("Who had a part in it, and what they wanted."),
    more: number.describe("Changes that are not told of."),
  })
  .meta({ id: "PastDecision" });

export const planSchema: z.ZodType<PlanView> = z
  .object({
    assign: z.record(text, text),
    revoke: z.record(text, move),
    orphans: z.record(text, orphanReason),
  })
  .meta({ id: "Plan" });

const versionFields = {
  n: number.describe("Its version."),
  sha256: text,
  by: text.describe("Who pushed it."),
  at,
  of: number.nullable().describe("The version that it brings back."),
};

export const configVersionSchema: z.ZodType<ConfigVersion> = z
  .object({
    ...versionFields,
    bytes: number,
    current: z.boolean().describe("Whether it is the one that counts."),
  })
  .meta({ id: "ConfigVersion" });

export const configDocumentSchema: z.ZodType<ConfigDocument> = z
  .object({ ...versionFields, text })
  .meta({ id: "ConfigDocument" });

export const pushReportSchema: z.ZodType<PushReport> = z
  .object({
    outcome: z.enum(["pushed", "unchanged", "dry-run"]),
    n: number.describe("The version that counts now."),
    warnings: z.array(configProblem),
    restart: z.array(text).describe("Keys that differ and are read at a start only."),
  })
  .meta({ id: "Push" });

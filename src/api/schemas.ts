import { z } from "zod";
import type { ErrorCode } from "../errors.ts";
import type { ActorStatus, CheckpointView, ReloadReport, Stat, Topology } from "./port.ts";

/** The answers' shapes, told to the OpenAPI document; the types of `port.ts` hold them to it. */
const text = z.string();
const number = z.number();
const actorStates = ["starting", "running", "backoff", "stopping", "stopped", "failed"] as const;
const actorState = z.enum(actorStates);
const nodeState = z
  .enum([...actorStates, "blocked"])
  .describe("blocked: it goes on when a person has mended what lastError or note says.");
const lastError = z
  .object({ code: text, message: text, at: number.describe("Unix milliseconds.") })
  .nullable();

export const actorSchema: z.ZodType<ActorStatus> = z
  .object({
    path: text,
    state: actorState,
    restarts: number,
    lastError,
    mailbox: z.object({ depth: number, bytes: number }),
    credit: z.record(text, number).describe("Packets left on each edge to the next actors."),
    handled: number,
    busyMs: number,
    strategy: z.enum(["one_for_one", "one_for_all", "rest_for_one"]).exactOptional(),
    get children() {
      return z.array(actorSchema);
    },
  })
  .meta({ id: "Actor" });

const stuckHead = z
  .object({
    partition: text,
    ticket: number,
    position: text.describe("JSON text."),
    heldMs: number,
    at: z.array(text).describe("The edges whose receivers have not settled it."),
  })
  .meta({ id: "StuckHead" });

const inputStatus = z
  .object({
    name: text,
    resource: text,
    label: text,
    plugin: text,
    state: z.enum([
      "starting",
      "running",
      "paused",
      "backoff",
      "blocked",
      "finished",
      "failed",
      "stopped",
      "standby",
    ]),
    note: text.nullable(),
    interruptions: number,
    throttledMs: number.describe("How long a quota of the source has had it wait."),
    packets: number,
    bytes: number,
    inFlight: number,
    inFlightBytes: number,
    lagSeconds: number.nullable(),
    lagBytes: number.nullable(),
    lagRecords: number.nullable(),
    stuck: z.array(stuckHead).describe("Packets that hold up a checkpoint for long."),
    lastError,
  })
  .meta({ id: "InputStatus" });

const crashCounters = {
  timeouts: number.describe("Calls that did not return in time."),
  poisoned: number.describe("Packets that were the cause of crashes, now in the dead letters."),
  suspects: number.describe("Packets that may be the cause of a crash: handed over few at a time."),
};

const filterStatus = z
  .object({
    name: text,
    plugin: text,
    state: nodeState,
    packets: number,
    dropped: number,
    emitted: number,
    failed: number,
    ...crashCounters,
    lastError,
  })
  .meta({ id: "FilterStatus" });

const outputStatus = z
  .object({
    name: text,
    plugin: text,
    state: nodeState,
    note: text.nullable(),
    throttledMs: number.describe("How long a quota of the sink has had it wait."),
    packets: number,
    bytes: number,
    retried: number,
    leftOut: number.describe("Of the packets those that it has left out on purpose."),
    failed: number,
    queued: number,
    buffer: z
      .object({
        packets: number,
        bytes: number,
        oldestAgeSeconds: number
          .nullable()
          .describe("How long its oldest packet has waited; null when that is not known."),
        note: text.nullable(),
      })
      .nullable()
      .describe("What waits in its buffer on disk; null without one."),
    ...crashCounters,
    lastError,
  })
  .meta({ id: "OutputStatus" });

const configStatus = z
  .object({
    file: text,
    hash: text.describe("Of what /api/v1/config shows: comments and secrets do not count."),
    version: number.describe("1 at the start, one more with each reload that changed something."),
    loadedAt: number.describe("Unix milliseconds."),
    refused: z
      .object({ at: number.describe("Unix milliseconds."), code: text, message: text })
      .nullable()
      .describe("The last reload, when it was refused."),
  })
  .meta({ id: "ConfigStatus" });

export const statSchema: z.ZodType<Stat> = z
  .object({
    version: text,
    pid: number,
    epoch: number,
    startedAt: number.describe("Unix milliseconds."),
    uptimeMs: number,
    rssBytes: number,
    loopLag: z
      .object({ lastMs: number, maxMs: number, stalls: number, lastActor: text.nullable() })
      .nullable()
      .describe("How long the event loop stood still; null when nobody watches it."),
    memoryBoundBytes: number.describe("What resident memory stays below with this configuration."),
    ready: z.boolean(),
    insecure: z.array(text).describe("Protections that the configuration does without."),
    config: configStatus,
    inputs: z.array(inputStatus),
    filters: z.array(filterStatus),
    outputs: z.array(outputStatus),
    unrouted: z.object({ packets: number, idents: z.array(text) }),
    deadLetters: number,
    gaps: number,
  })
  .meta({ id: "Stat" });

export const topologySchema: z.ZodType<Topology> = z
  .object({
    nodes: z.array(
      z.object({
        name: text,
        kind: z.enum(["input", "filter", "output"]),
        plugin: text,
        match: z.array(text),
        idents: z.array(text),
      }),
    ),
    edges: z.array(z.object({ from: text, to: text })),
  })
  .meta({ id: "Topology" });

const key = { input: text, resource: text, partition: text };

export const checkpointSchema: z.ZodType<CheckpointView> = z
  .object({
    ...key,
    position: text.describe("JSON text of the input's position."),
    epoch: number,
    committedAt: number.describe("Unix milliseconds."),
    watermark: text
      .nullable()
      .describe("JSON text; newer than the position until it is committed."),
  })
  .meta({ id: "Checkpoint" });

export const deadLetterSchema = z
  .object({
    id: number,
    at: number.describe("Unix milliseconds."),
    node: text.describe("Who refused it; a redrive starts again there."),
    ...key,
    ident: text,
    position: text.describe("JSON text of the packet's position."),
    code: text,
    reason: text,
    crashes: number.describe("How often the node crashed with it before; 0 when it refused it."),
    crashedAt: number.nullable().describe("Unix milliseconds of the first of those crashes."),
    redrivenAt: number.nullable(),
  })
  .meta({ id: "DeadLetter" });

export const gapSchema = z
  .object({
    id: number,
    at: number.describe("Unix milliseconds."),
    ...key,
    from: text.describe("JSON text of what was to be read next."),
    to: text.describe("JSON text of where reading went on."),
    reason: text,
  })
  .meta({ id: "Gap" });

export const configProblem = z.object({
  severity: z.enum(["error", "warning"]),
  code: text.describe("A code of docs/errors.md.") as unknown as z.ZodType<ErrorCode>,
  message: text,
  place: z.object({
    file: text.exactOptional(),
    line: number.exactOptional(),
    column: number.exactOptional(),
    path: text.exactOptional(),
  }),
  remedy: text,
});

export const reloadSchema: z.ZodType<ReloadReport> = z
  .object({
    outcome: z.enum(["applied", "unchanged", "dry-run"]),
    version: number,
    hash: text,
    changes: z.array(
      z.object({
        kind: z.enum(["input", "filter", "output"]),
        name: text,
        change: z.enum(["added", "removed", "changed"]),
        keys: z.array(text).describe("The keys of a changed entry that differ."),
        restarts: z.boolean().describe("Whether its actor starts anew."),
      }),
    ),
    rerouted: z.array(text).describe("Inputs that wait until what they have in flight arrived."),
    warnings: z.array(configProblem),
  })
  .meta({ id: "Reload" });

export const problemSchema = z
  .object({
    type: text,
    title: text,
    status: number,
    detail: text,
    code: text.describe("A code of docs/errors.md."),
    remedy: text,
    problems: z
      .array(configProblem)
      .exactOptional()
      .describe("All that is wrong with a configuration."),
  })
  .meta({ id: "Problem" });

import { z } from "zod";
import { serverTlsSchema } from "../http/server-tls.ts";
import { secret } from "../plugin/secret.ts";
import { clusterSchema, label, labels } from "./cluster-schema.ts";

const mib = 1024 * 1024;
/** Outputs whose sink may keep them waiting for as long as it likes have a default of their own. */
export const timeoutMsDefault = 300_000;
/**
 * A filter's call is about one packet, and the third that does not return sends that packet to the
 * dead letters: until then the packets behind it wait.
 */
export const filterTimeoutMsDefault = 30_000;
const count = (description: string) => z.int().min(1).max(1_000_000_000).describe(description);
const millis = (description: string) => z.int().min(0).max(86_400_000).describe(description);

/** Names stand in paths of files and of ZooKeeper, in metrics and in URLs (S9). */
const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const name = z
  .string()
  .regex(namePattern, "a name is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit")
  .describe("Its name, unique over inputs, filters and outputs.");
const plugin = z
  .string()
  .min(1)
  .max(1024)
  .describe("A plugin's name, or the path of a TypeScript file that starts with ./");
const ident = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^*\s]+$/, "an ident has no spaces and no *")
  .describe("What it emits under unless it has better idents. Default: its name.");
const pattern = z.string().min(1).max(256);
const timeoutMs = (calls: string, defaults = "") =>
  millis(
    `How long ${calls} may take before the plugin counts as crashed and is opened again; 0: for ever.${defaults}`,
  );
const filterTimeouts = ` Default: ${filterTimeoutMsDefault}, and 0 for a ThrottleFilter.`;
const match = z
  .union([pattern, z.array(pattern).min(1).max(256)])
  .describe("The idents that it takes: one or a list, * stands for any characters.");

const size = (what: string, packets: number, bytes: number) =>
  z
    .strictObject({
      packets: count("Packets.").default(packets),
      bytes: count("Bytes.").default(bytes),
    })
    .prefault({})
    .describe(what);

const busSchema = z
  .strictObject({
    window: size("What may be in flight for each input partition.", 8192, 32 * mib),
    edge: size("The credit of each edge for each input partition.", 2048, 8 * mib),
    onUnrouted: z
      .enum(["drop", "fail"])
      .default("drop")
      .describe("What becomes of a packet whose ident nothing matches."),
    checkpointIntervalMs: z
      .int()
      .min(10)
      .max(3_600_000)
      .default(1000)
      .describe("How often checkpoints are committed."),
    stopDeadlineMs: millis("How long a stop waits for what is in flight.").default(10_000),
    stuckHeadMs: z
      .int()
      .min(100)
      .max(86_400_000)
      .default(60_000)
      .describe("How long one packet may hold up a checkpoint before an alarm names it."),
    watchdog: z
      .boolean()
      .default(true)
      .describe("Whether a thread of its own watches that the event loop does not stand still."),
    stallMsMax: z
      .int()
      .min(0)
      .max(86_400_000)
      .refine((ms) => ms === 0 || ms >= 2_000, "0, or at least 2000")
      .default(60_000)
      .describe(
        "An event loop that stands still for longer ends the process with code 6; 0: never.",
      ),
    restarts: z
      .strictObject({
        intensity: z
          .int()
          .min(0)
          .max(1_000_000)
          .default(5)
          .describe("Crashes of a group's actors that are borne within periodMs."),
        periodMs: millis("Within how long.").min(1).default(30_000),
      })
      .prefault({})
      .describe(
        "When crashes are so many that all of a group is started again, and what it serves.",
      ),
    onFinished: z
      .enum(["stay", "exit"])
      .default("stay")
      .describe("What happens when every input has come to its end."),
  })
  .prefault({})
  .describe("How the bus itself behaves.");

const stateSchema = z
  .strictObject({
    dir: z
      .string()
      .min(1)
      .default("./data")
      .describe("The data folder: checkpoints, dead letters, gaps. One process at a time."),
  })
  .prefault({})
  .describe("Where state is kept.");

const adminToken = z
  .strictObject({
    name: name.describe("Its name in the log."),
    role: z
      .enum(["read", "operate", "admin"])
      .describe("read looks; operate also pauses, resumes, redrives; admin may do everything."),
    token: secret("The token: ${file:/run/secrets/ci}").min(16).optional(),
    tokenFile: z
      .string()
      .min(1)
      .optional()
      .describe("Or the file that holds it; a new one there counts within a second."),
  })
  .refine((one) => (one.token === undefined) !== (one.tokenFile === undefined), {
    message: "write token or tokenFile",
  });

const adminSchema = z
  .strictObject({
    enabled: z.boolean().default(true).describe("Whether the admin API listens at all."),
    host: z.string().min(1).default("127.0.0.1").describe("The address it listens on."),
    port: z.int().min(0).max(65_535).default(9876).describe("The port; 0 takes any free one."),
    token: secret("A bearer token that may do everything.").min(16).optional(),
    tokens: z
      .array(adminToken)
      .max(64)
      .refine((all) => new Set(all.map((one) => one.name)).size === all.length, {
        message: "two tokens have one name",
      })
      .default([])
      .describe("More bearer tokens, each with a role."),
    tls: serverTlsSchema("Speaks TLS; required, with a token, beyond this machine.").optional(),
    insecure: z
      .boolean()
      .default(false)
      .describe("Does without TLS beyond this machine: something in front of it has it."),
  })
  .prefault({})
  .describe("The admin API.");

const logSchema = z
  .strictObject({
    level: z
      .enum(["debug", "info", "warn", "error"])
      .default("info")
      .describe("The least level that is written."),
    format: z
      .enum(["auto", "pretty", "json"])
      .default("auto")
      .describe("auto: pretty on a terminal, else JSON lines."),
  })
  .prefault({})
  .describe("The log, on standard error.");

export const sections = {
  bus: busSchema,
  state: stateSchema,
  admin: adminSchema,
  log: logSchema,
  cluster: clusterSchema,
} as const;

/** The fields that every entry of a kind has beside its plugin's own. */
export const entrySchemas = {
  input: z.strictObject({
    name,
    plugin,
    ident: ident.optional(),
    paused: z.boolean().default(false).describe("Starts paused; dbc resume starts it."),
    timeoutMs: timeoutMs("opening and closing").default(timeoutMsDefault),
    cost: z
      .number()
      .min(1)
      .max(1_000_000)
      .default(1)
      .describe("In a cluster: what each of its resources weighs against others."),
    group: label.optional().describe("In a cluster: resources of one group have one owner."),
    tags: labels("In a cluster: only participants that have all of these may read it."),
    tenant: label.optional().describe("In a cluster: whose it is; see cluster.tenants."),
  }),
  filter: z.strictObject({
    name,
    plugin,
    match,
    ident: ident.optional(),
    timeoutMs: timeoutMs("opening, closing or one packet", filterTimeouts).optional(),
    onFailed: z
      .enum(["deadletter", "block"])
      .default("deadletter")
      .describe(
        "What becomes of a packet that it fails on; block stops there until the cause is mended.",
      ),
  }),
  output: z.strictObject({
    name,
    plugin,
    match,
    batch: z
      .strictObject({
        countMax: count("Packets in a batch at most.").max(65_536).optional(),
        bytesMax: count("Bytes in a batch at most.").optional(),
        lingerMs: millis(
          "How long the first packet waits for others, while there can be others.",
        ).optional(),
      })
      .prefault({})
      .describe("How packets are gathered before they are written."),
    retry: z
      .strictObject({
        times: z.int().min(0).max(1000).describe("Retries that are delayMs apart.").optional(),
        delayMs: millis("The pause between them.").optional(),
        delayMsMax: millis(
          "Later pauses double up to this, for ever; so do those before it is opened again.",
        ).optional(),
      })
      .prefault({})
      .describe("How writing is tried again."),
    buffer: z
      .strictObject({
        kind: z
          .enum(["memory", "disk"])
          .default("memory")
          .describe(
            "Where packets wait: in memory, and the checkpoint with them; or on disk, where they " +
              "outlive a restart and hold up nobody else.",
          ),
        bytesMax: z
          .int()
          .min(64 * 1024)
          .max(2 ** 50)
          .optional()
          .describe(
            "How much may wait. Beyond it the inputs wait. On disk 1 GiB unless told; in memory " +
              "bus.edge.bytes for each input partition.",
          ),
      })
      .prefault({})
      .describe("Where packets wait that the sink cannot take yet."),
    timeoutMs: timeoutMs("opening, closing or writing a batch").optional(),
    onFailed: z
      .enum(["deadletter", "block"])
      .default("deadletter")
      .describe("What becomes of a packet that the sink refuses for good."),
  }),
} as const;

export const batchDefaults = { countMax: 1024, bytesMax: mib, lingerMs: 0 } as const;
export const bufferBytesMaxDefault = 2 ** 30;
export const retryDefaults = { times: 3, delayMs: 350, delayMsMax: 30_000 } as const;

export type EntryKind = keyof typeof entrySchemas;
export const groups = { inputs: "input", filters: "filter", outputs: "output" } as const;
export type Group = keyof typeof groups;
export const entriesMax = 1000;

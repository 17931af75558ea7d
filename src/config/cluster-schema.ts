import { z } from "zod";
import { parseZkAddress } from "../clients/zookeeper/address.ts";
import { toDbusError } from "../errors.ts";
import { serverTlsSchema } from "../http/server-tls.ts";
import { secret } from "../plugin/secret.ts";

/** Names of participants and clusters stand in paths of ZooKeeper and in URLs (S9). */
const idPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const labelPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const millis = (description: string) => z.int().min(0).max(86_400_000).describe(description);

/** A word by which resources find their participants: a tag, a tenant, a group. */
export const label = z
  .string()
  .regex(labelPattern, "1 to 64 of A-Z a-z 0-9 . _ - and it starts with a letter or digit");
export const labels = (description: string) =>
  z.array(label).max(64).default([]).describe(description);

const id = z
  .string()
  .regex(idPattern, "1 to 64 of a-z 0-9 . _ - and it starts with a letter or digit");

const connect = z
  .string()
  .min(1)
  .max(4096)
  .superRefine((text, { addIssue }) => {
    try {
      parseZkAddress(text);
    } catch (thrown) {
      addIssue({ code: "custom", message: toDbusError(thrown).message });
    }
  })
  .describe("ZooKeeper's servers and the node below which it works: zk1:2181,zk2:2181/dbus");

const hostAndPort = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):\d{1,5}$/, "write host:port")
  .refine(
    (text) => Number(text.slice(text.lastIndexOf(":") + 1)) <= 65_535,
    "a port ends at 65535",
  );

const clientTls = z.strictObject({
  ca: z
    .string()
    .optional()
    .describe("PEM of the authorities to trust, instead of the system's: ${file:/etc/ca.pem}"),
  cert: z.string().optional().describe("PEM of our own certificate, where the servers want one"),
  key: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe("PEM of its key: ${file:/run/secrets/zk.key}"),
});

const rpc = z
  .strictObject({
    listen: hostAndPort
      .default("127.0.0.1:9877")
      .describe("Where the other participants reach this one; port 0 takes any free one."),
    advertise: hostAndPort
      .optional()
      .describe(
        "What they are told instead, where the address to listen on is not the one to call.",
      ),
    tls: serverTlsSchema("Speaks TLS between participants; all of them, or none.").optional(),
    ca: z
      .string()
      .optional()
      .describe("PEM of the authorities to trust with it, instead of the system's."),
  })
  .prefault({})
  .describe("How participants ring and ask one another; only with a key.");

const rebalance = z
  .strictObject({
    debounceMs: millis("What changes within it is decided together.").default(500),
    rejoinDelayMs: millis(
      "How long the resources of a participant that vanished wait for its return before others get them.",
    ).default(0),
    movesMax: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe("Resources that change their owner at a time. Default: a fifth of all."),
    gainMin: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe(
        "A move must lower the higher of two loads by more than this share of the highest.",
      ),
  })
  .prefault({})
  .describe("When and how far resources are moved for balance.");

export const clusterSchema = z
  .strictObject({
    connect,
    name: id.default("default").describe("The cluster's name; several may share one ZooKeeper."),
    id: id
      .optional()
      .describe("Who this process is, the same over restarts. Default: made once, in state.dir."),
    auth: secret("user:password of ZooKeeper's digest scheme; nobody else may see the nodes then.")
      .regex(/^[^:\s]+:.+$/, "write user:password")
      .optional(),
    tls: z
      .union([z.boolean(), clientTls])
      .default(false)
      .describe("Speaks TLS to ZooKeeper; true trusts the system's authorities."),
    sessionTimeoutMs: z
      .int()
      .min(1000)
      .max(600_000)
      .default(6000)
      .describe(
        "After how long without a word a participant is taken for dead. ZooKeeper allows 2 to 20 of its ticks.",
      ),
    onCoordinatorLost: z
      .enum(["auto", "pause", "continue"])
      .default("auto")
      .describe(
        "Without ZooKeeper: auto goes on while all participants agree that it is gone; pause stops; continue may read twice.",
      ),
    weight: z
      .number()
      .min(0)
      .max(1000)
      .default(1)
      .describe("The share of the load that it takes; 0 takes none."),
    tags: labels("What it offers: resources that want tags go only to who has them all."),
    tenants: labels("Whose resources it reads; none reads everybody's."),
    key: secret("What participants sign with among one another, the same for all of them.")
      .min(16)
      .optional(),
    rpc,
    drainMs: millis("How long a resource may deliver what is in flight before it moves.").default(
      10_000,
    ),
    rebalance,
  })
  .optional()
  .describe("Shares the work with other dbusd through ZooKeeper. Without it this one is alone.");

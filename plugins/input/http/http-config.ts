import { z } from "zod";
import { secret, serverTlsSchema } from "#plugin";

const mib = 1024 * 1024;

export const httpConfig = z.strictObject({
  host: z.string().min(1).default("127.0.0.1").describe("The address it listens on."),
  port: z.int().min(0).max(65_535).default(9877).describe("The port; 0 takes any free one."),
  path: z
    .string()
    .regex(/^\/[A-Za-z0-9._~/-]*$/, "a path starts with / and holds no ? or #")
    .default("/")
    .describe("The path that takes packets by POST."),
  token: secret("Bearer token that clients must send. Default: none is asked for.")
    .min(16)
    .optional(),
  allowAnonymous: z
    .boolean()
    .default(false)
    .describe("Takes packets of other machines without a token all the same."),
  tls: serverTlsSchema("Speaks TLS; required beyond this machine.").optional(),
  insecure: z
    .boolean()
    .default(false)
    .describe("Does without TLS beyond this machine: something in front of it has it."),
  bodyBytesMax: z
    .int()
    .min(1)
    .max(256 * mib)
    .default(8 * mib)
    .describe("The largest body, in bytes."),
  packetsMax: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(8192)
    .describe("The most packets that one request may bring."),
  requestsMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(256)
    .describe("Requests in progress at the same time; more get 429."),
  clientRequestsMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(64)
    .describe("The same for each client address."),
  clientBytesMax: z
    .int()
    .min(1)
    .max(1024 * mib)
    .default(32 * mib)
    .describe("Bytes of one client that are in progress, beside its first request; then 429."),
  connectionsMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(1024)
    .describe("Connections at the same time; then those without a request make room."),
  clientConnectionsMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(256)
    .describe("The same for each client address."),
  bodyTimeoutMs: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(30_000)
    .describe("How long a body may take to arrive."),
  ackTimeoutMs: z
    .int()
    .min(1)
    .max(86_400_000)
    .default(60_000)
    .describe("How long a request waits for the outputs, before it gets 504."),
  drainMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(5000)
    .describe("How long a stop waits for requests in progress."),
  retryAfterSeconds: z
    .int()
    .min(1)
    .max(3600)
    .default(1)
    .describe("What a client that comes too fast is told to wait."),
});

export type HttpConfig = z.infer<typeof httpConfig>;

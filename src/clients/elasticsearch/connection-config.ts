import { z } from "zod";
import { isLoopback } from "../../config/admin-address.ts";
import { clientTlsSchema } from "../client-tls.ts";
import type { EsAuth, EsConnectionOptions, EsTls } from "./port.ts";

const nodeSchema = z
  .string()
  .superRefine((text, context) => {
    const wrong = problemOf(text);
    if (wrong !== undefined) context.addIssue({ code: "custom", message: wrong });
  })
  .describe("https://host:9200, or http:// on a network that is trusted");

/** What is wrong with the address of a node. Never shows it: it may hold a password. */
function problemOf(text: string): string | undefined {
  if (!URL.canParse(text)) return "write a node as https://host:9200";
  const { protocol, username, password, hash, search } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") return "a node is https:// or http://";
  if (username !== "" || password !== "") return "name user and password in auth, not in a node";
  if (hash !== "" || search !== "") return "a node has neither ? nor #";
  return undefined;
}

const apiKeySchema = z.strictObject({
  apiKey: z
    .string()
    .min(1)
    .meta({ secret: true })
    .describe("an API key as Elasticsearch encodes it: ${ES_API_KEY}"),
});

const basicSchema = z.strictObject({
  username: z.string().min(1).describe("who logs in"),
  password: z.string().meta({ secret: true }).describe("its password: ${ES_PASSWORD}"),
});

/** The fields by which a plugin says how to reach Elasticsearch. */
export const esConnectionFields = {
  nodes: z
    .array(nodeSchema)
    .min(1)
    .describe("nodes that take turns; no others are asked, and no redirect is followed"),
  auth: z
    .union([apiKeySchema, basicSchema])
    .optional()
    .describe("{apiKey} or {username, password}; nobody logs in without it"),
  tls: clientTlsSchema
    .default({ insecure: false })
    .describe("of https nodes: certificate and host name are verified unless told otherwise"),
  requestTimeoutMs: z
    .int()
    .min(1000)
    .default(30_000)
    .describe("how long a node may take for an answer before it is asked again"),
  compression: z.boolean().default(false).describe("send requests as gzip, for slow networks"),
  activeShards: z
    .union([z.int().min(1), z.literal("all")])
    .optional()
    .describe(
      "copies of a shard that must be active before it is written (wait_for_active_shards)",
    ),
};

const connectionSchema = z.object(esConnectionFields);

export type EsConnectionConfig = z.infer<typeof connectionSchema>;

function authOf(auth: EsConnectionConfig["auth"]): EsAuth | undefined {
  if (auth === undefined) return undefined;
  return "apiKey" in auth ? { kind: "apiKey", ...auth } : { kind: "basic", ...auth };
}

function tlsOf({ ca, cert, key, insecure }: EsConnectionConfig["tls"]): EsTls {
  return { ca, cert, key, verify: !insecure };
}

/** What the client is told, out of a checked config. */
export function esConnectionOptions(
  config: EsConnectionConfig,
  around: Pick<EsConnectionOptions, "clock" | "log">,
): EsConnectionOptions {
  const { nodes, requestTimeoutMs, compression, activeShards } = config;
  const auth = authOf(config.auth);
  const tls = tlsOf(config.tls);
  return { nodes, auth, tls, requestTimeoutMs, compression, activeShards, ...around };
}

/** What whoever is in between could do: warned of at each start, and shown in the status. */
export function insecureParts({ nodes, auth, tls }: EsConnectionConfig): readonly string[] {
  const far = nodes.map((node) => new URL(node)).filter(({ hostname }) => !isLoopback(hostname));
  const parts: string[] = [];
  if (far.some(({ protocol }) => protocol === "http:")) {
    const secret = auth === undefined ? "" : "the password or API key and ";
    parts.push(`${secret}all documents go over the network in the clear (nodes with http://)`);
  }
  if (tls.insecure) {
    parts.push(
      "any certificate is trusted, so anyone in between can read and write (tls.insecure)",
    );
  }
  return parts;
}

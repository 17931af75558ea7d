import { z } from "zod";
import { clientTlsSchema } from "../client-tls.ts";
import type { KafkaConnectionOptions, KafkaTls } from "./port.ts";

const brokerShape = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):\d{1,5}$/;

const saslSchema = z.strictObject({
  mechanism: z
    .enum(["plain", "scram-sha-256", "scram-sha-512"])
    .describe("how to log in; plain shows the password to the broker, so use it over TLS"),
  username: z.string().describe("who logs in"),
  password: z.string().meta({ secret: true }).describe("its password: ${KAFKA_PASSWORD}"),
});

/** The fields by which any Kafka plugin says how to reach the cluster. */
export const kafkaConnectionFields = {
  brokers: z
    .array(z.string().regex(brokerShape, "write host:port, an IPv6 address in brackets"))
    .min(1)
    .describe("brokers to begin with, host:port each; the others are learned from them"),
  clientId: z.string().default("dbus").describe("the name that the brokers log and set quotas by"),
  tls: z
    .union([z.boolean(), clientTlsSchema])
    .default(false)
    .describe("whether to speak TLS; true verifies certificate and host name by the system's CAs"),
  sasl: saslSchema.optional().describe("how to log in; none without it"),
  connectTimeoutMs: z
    .int()
    .min(100)
    .default(10_000)
    .describe("how long a broker may take to accept a connection"),
  requestTimeoutMs: z
    .int()
    .min(1000)
    .default(30_000)
    .describe("how long a broker may take for an answer before it is asked again"),
};

const connectionSchema = z.object(kafkaConnectionFields);

export type KafkaConnectionConfig = z.infer<typeof connectionSchema>;

function tlsOf(tls: KafkaConnectionConfig["tls"]): KafkaTls | undefined {
  if (tls === false) return undefined;
  if (tls === true) return { verify: true };
  const { ca, cert, key, insecure } = tls;
  return { ca, cert, key, verify: !insecure };
}

/** What a driver is told, out of a checked config. */
export function connectionOptions(
  config: KafkaConnectionConfig,
  around: Pick<KafkaConnectionOptions, "clock" | "log">,
): KafkaConnectionOptions {
  const { brokers, clientId, sasl, connectTimeoutMs, requestTimeoutMs } = config;
  const tls = tlsOf(config.tls);
  return { brokers, clientId, tls, sasl, connectTimeoutMs, requestTimeoutMs, ...around };
}

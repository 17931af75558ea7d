import { DbusError } from "../../errors.ts";
import type { CheckContext } from "../../plugin/context.ts";
import { connectionOptions, type KafkaConnectionConfig } from "./connection-config.ts";
import { type KafkaDriver, kafkaDrivers } from "./drivers.ts";
import { type KafkaProbe, probeKafka } from "./probe.ts";

/** Whoever only wants to know does not wait as long as whoever has to get through. */
const patienceMs = 5_000;

/**
 * Reaches the brokers of a config and says which; then asks more of them. One that is dead beside
 * another is only warned of. Throws what keeps every one of them away.
 */
export async function checkBrokers(
  context: CheckContext,
  config: KafkaConnectionConfig & { readonly driver: KafkaDriver },
  ask: (probe: KafkaProbe) => Promise<void>,
): Promise<void> {
  const { connectTimeoutMs, requestTimeoutMs, ...others } = connectionOptions(config, context);
  const probe = probeKafka(kafkaDrivers[config.driver], {
    ...others,
    connectTimeoutMs: Math.min(connectTimeoutMs, patienceMs),
    requestTimeoutMs: Math.min(requestTimeoutMs, patienceMs),
  });
  try {
    const { reached, errors } = await probe.brokers();
    if (reached.length === 0) {
      // A broker that refuses us says more than one that is not there.
      const [first] = errors;
      throw errors.find(({ kind }) => kind === "fatal") ?? first ?? new DbusError("INTERNAL", "");
    }
    for (const error of errors) context.warn(error);
    const who = config.sasl ? `, logged in as ${config.sasl.username}` : "";
    context.ok(`reached ${reached.join(", ")}${who}`);
    await ask(probe);
  } finally {
    probe.close();
  }
}

import { join } from "node:path";
import { command } from "../services/command.ts";
import { kafkaLibs } from "../services/kafka.ts";

/** Limits a client of a cluster to so many bytes a second, with Kafka's own tool. */
export async function setQuota(
  bootstrap: string,
  clientId: string,
  quota: { readonly [name in "producer_byte_rate" | "consumer_byte_rate"]?: number },
): Promise<void> {
  const limits = Object.entries(quota).map(([name, value]) => `${name}=${value}`);
  await command([
    ...["java", "-Xmx128m", "-cp", join(await kafkaLibs(), "*"), "kafka.admin.ConfigCommand"],
    ...["--bootstrap-server", bootstrap, "--alter", "--add-config", limits.join()],
    ...["--entity-type", "clients", "--entity-name", clientId],
  ]);
}

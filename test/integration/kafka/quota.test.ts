import { expect } from "bun:test";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { useServices } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { setQuota } from "../../support/kafka-quota.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { startText } from "../../support/sample-daemon.ts";

const services = await useServices("kafka");

const count = 300;
/** A broker counts over ten seconds: what comes first is free, and then it asks for some seconds. */
const bytesPerSecond = 25_000;
const value = "x".repeat(1_000);

for (const [side, driver] of [
  ["consumer", "kafkajs"],
  ["producer", "kafkajs"],
  ["producer", "platformatic"],
] as const) {
  services.test(
    `fault 36: a quota for the ${side} is kept, and shows as waiting and not as a failure (${driver})`,
    async ({ kafka }) => {
      const from = newTopicName("quota-from");
      const clientId = newTopicName("limited");
      await setQuota(kafka.bootstrap, clientId, { [`${side}_byte_rate`]: bytesPerSecond });
      const peer = await kafkaPeer(kafka.bootstrap);
      await peer.createTopic(from, 1);
      const keys = Array.from({ length: count }, (_, i) => `k${i}`);
      // A batch above what a quota lets through in its ten seconds would never come.
      for (let i = 0; i < count; i += 50) {
        await peer.produceByKey(from, keys.slice(i, i + 50), value);
      }
      await peer.close();
      const common = { brokers: [kafka.bootstrap], driver };
      const started = performance.now();
      const sample = await startText(
        JSON.stringify({
          inputs: [
            {
              ...{ name: "in", plugin: "KafkaInput", topics: [from], ...common },
              ...{ clientId: side === "consumer" ? clientId : "free" },
              ...{ partitionBytesMax: 50_000, fetchBytesMax: 50_000 },
            },
          ],
          outputs: [
            {
              ...{ name: "out", plugin: "KafkaOutput", match: "*", ...common },
              ...{ topic: "${ident}.copy", batch: { countMax: 50, lingerMs: 10 } },
              ...{ clientId: side === "producer" ? clientId : "free" },
            },
          ],
        }),
      );
      const limited = () => (side === "consumer" ? sample.input("in") : sample.output("out"));
      try {
        const seen = await waitFor(
          () => (limited().note?.startsWith("throttled: ") ? limited() : undefined),
          { what: "a note that it is throttled" },
        );
        expect([seen.state, seen.lastError]).toEqual(["running", null]);
        await waitFor(() => sample.daemon.admin.stat().ready, {
          what: "it to be ready all the same",
        });
        await waitFor(() => sample.output("out").packets === count, {
          what: "all records",
          timeoutMs: 30_000,
        });
        const { throttledMs } = limited();
        expect(throttledMs).toBeGreaterThan(500);
        // Kept, too: what came last came when all of it was over, but for what was asked at the end.
        if (side === "producer") {
          expect(performance.now() - started).toBeGreaterThan(throttledMs);
        }
        expect(sample.output("out").retried).toBe(0);
        expect(sample.input("in").interruptions).toBe(0);
        expect(sample.log.entries.filter(({ level }) => /warn|error/.test(level))).toEqual([]);
        const metrics = await (await fetch(`${sample.daemon.adminUrl}/metrics`)).text();
        const kind = side === "consumer" ? "input" : "output";
        const metric = new RegExp(`^dbus_${kind}_throttled_seconds_total\\{.*\\} ([\\d.]+)$`, "m");
        expect(Number(metric.exec(metrics)?.[1])).toBeGreaterThan(0.5);
      } finally {
        expect(await sample.end()).toBe(0);
      }
      expect(await readTopic(kafka.bootstrap, `${from}.copy`)).toHaveLength(count);
    },
  );
}

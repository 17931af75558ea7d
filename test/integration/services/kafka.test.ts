import { expect } from "bun:test";
import { startKafka, useStarted } from "../../services/index.ts";
import { aliveBrokers } from "../../services/kafka-metadata.ts";
import { waitFor } from "../../support/index.ts";

const services = await useStarted("three brokers of kafka", async () => ({
  kafka: await startKafka({ brokers: 3, heapMb: 256 }),
}));

services.test(
  "a cluster of three outlives one broker and takes it back",
  async ({ kafka }) => {
    const alive = (count: number, port: number) =>
      waitFor(async () => (await aliveBrokers(port)).length === count, {
        what: `${count} brokers alive`,
        timeoutMs: 60_000,
        intervalMs: 100,
      });
    const [first, second] = kafka.brokers;
    await alive(3, first!.port);
    second!.kill("SIGKILL");
    await alive(2, first!.port);
    await second!.restart();
    await alive(3, second!.port);
    expect(kafka.bootstrap.split(",")).toHaveLength(3);
    await kafka.stop();
  },
  120_000,
);

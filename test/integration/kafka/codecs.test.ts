import { expect } from "bun:test";
import { join } from "node:path";
import { createKafkaConsumer } from "#src/clients/kafka/drivers.ts";
import { consumerOptions, take } from "../../contract/kafka-consumer.ts";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { command } from "../../services/command.ts";
import { useServices } from "../../services/index.ts";
import { kafkaLibs } from "../../services/kafka.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";

const services = await useServices("kafka");
const count = 3_000;

/** Kafka's own client packs the batches: what it writes is what is out there. */
async function load(bootstrap: string, topic: string, codec: string): Promise<void> {
  await command([
    ...["java", "-Xmx128m", "-cp", join(await kafkaLibs(), "*")],
    ...["org.apache.kafka.tools.ProducerPerformance", "--topic", topic],
    ...["--num-records", String(count), "--record-size", "300", "--throughput", "-1"],
    ...["--producer-props", `bootstrap.servers=${bootstrap}`, `compression.type=${codec}`],
    ...["acks=all", "linger.ms=20", "batch.size=100000"],
  ]);
}

for (const codec of ["snappy", "lz4", "gzip", "zstd"]) {
  services.test(
    `what Java's client packs by ${codec} is read to the last byte`,
    async ({ kafka }) => {
      const topic = newTopicName(codec);
      const peer = await kafkaPeer(kafka.bootstrap);
      await peer.createTopic(topic, 1);
      await peer.close();
      await load(kafka.bootstrap, topic, codec);
      const consumer = createKafkaConsumer("kafkajs", consumerOptions(kafka.bootstrap));
      consumer.read([{ topic, partition: 0, offset: 0 }]);
      const records = await take(consumer, count);
      await consumer.close();
      expect(records.map(({ offset }) => offset)).toEqual([...Array(count).keys()]);
      // The load tool writes capital letters alone.
      for (const { value } of records) {
        expect(Buffer.from(value ?? []).toString("latin1")).toMatch(/^[A-Z]{300}$/);
      }
    },
  );
}

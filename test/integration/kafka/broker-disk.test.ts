import { afterAll, expect } from "bun:test";
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { startText } from "../../support/sample-daemon.ts";
import { smallDisk } from "../../support/small-disk.ts";
import { tempDir } from "../../support/temp-dir.ts";

const services = await useStarted("kafka with a small second disk", async () => {
  const { dir } = smallDisk("32m", afterAll);
  const data = join(dir, "kafka");
  mkdirSync(data);
  const kafka = await startKafka({ heapMb: 256, logDirs: [data] });
  return { kafka, disk: dir, data };
});

const rows = 300;
const filling = "x".repeat(2_000);

/** Numbered lines, as a writer appends them. */
function lines(from: number, count: number): string {
  return Array.from({ length: count }, (_, i) => `${from + i} ${filling}\n`).join("");
}

/** Leaves no byte on a disk. */
function fill(file: string): void {
  const block = Buffer.alloc(64 << 10);
  for (const size of [64 << 10, 4 << 10, 1]) {
    try {
      for (;;) appendFileSync(file, block.subarray(0, size));
    } catch {
      // That much does not fit any more.
    }
  }
}

/** A partition that the broker keeps in that folder. */
async function partitionIn(dir: string, topic: string): Promise<number> {
  const found = () => [0, 1, 2, 3].find((one) => existsSync(join(dir, `${topic}-${one}`)));
  await waitFor(() => found() !== undefined, { what: `a partition in ${dir}` });
  return found() ?? -1;
}

services.test(
  "fault 37: a broker's disk that is full loses nothing, is told of, and holds up its own alone",
  async ({ kafka, disk, data }) => {
    const topic = newTopicName("disk");
    const peer = await kafkaPeer(kafka.bootstrap);
    // Kafka lays the partitions of a topic on the folder that has the fewest.
    await peer.createTopic(topic, 4);
    await peer.close();
    const [own = "", other = ""] = [...(kafka.brokers[0]?.logDirs ?? [])].reverse();
    expect(own).toBe(data);
    const small = await partitionIn(own, topic);
    const large = await partitionIn(other, topic);
    const file = join(tempDir("disk"), "rows");
    writeFileSync(file, lines(0, rows));
    const output = (name: string, partition: number) => ({
      ...{ name, plugin: "KafkaOutput", match: "*", brokers: [kafka.bootstrap], topic, partition },
      ...{ headers: false, batch: { lingerMs: 10 }, retry: { delayMs: 50, delayMsMax: 500 } },
    });
    const sample = await startText(
      JSON.stringify({
        inputs: [{ name: "in", plugin: "StreamInput", file, follow: true, pollMs: 20 }],
        outputs: [output("small", small), output("large", large)],
      }),
    );
    const written = (name: string) => sample.output(name).packets;
    try {
      await waitFor(() => written("small") === rows && written("large") === rows, {
        what: "both to be written",
      });
      fill(join(disk, "ballast"));
      appendFileSync(file, lines(rows, rows));
      await waitFor(() => written("large") === 2 * rows, { what: "the other partition" });
      const seen = await waitFor(
        () => (/offline/.test(sample.output("small").note ?? "") ? sample.output("small") : null),
        { what: "the output to say why it waits", timeoutMs: 30_000 },
      );
      expect([seen.state, seen.lastError, seen.failed]).toEqual(["running", null, 0]);
      expect(seen.note).toContain(
        `${topic}/${small} has no leader: its log on broker 1 is offline`,
      );
      const warnings = sample.log.entries.filter(({ level }) => level === "warn");
      expect(Bun.inspect(warnings)).toContain("KAFKA_STORAGE");
      expect(written("small")).toBeLessThan(2 * rows);
      rmSync(join(disk, "ballast"));
      kafka.brokers[0]?.kill("SIGKILL");
      await kafka.brokers[0]?.restart();
      await waitFor(() => written("small") === 2 * rows, { what: "the rest", timeoutMs: 30_000 });
      expect(sample.daemon.admin.stat().deadLetters).toBe(0);
    } finally {
      expect(await sample.end()).toBe(0);
    }
    const all = await readTopic(kafka.bootstrap, topic);
    for (const partition of [small, large]) {
      const values = all.filter((record) => record.partition === partition);
      expect(values.map(({ value }) => Number.parseInt(`${value}`, 10))).toEqual(
        Array.from({ length: 2 * rows }, (_, i) => i),
      );
    }
  },
  120_000,
);

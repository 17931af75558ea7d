import { expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { newTopicName } from "../contract/kafka-producer.ts";
import { useServices } from "../services/index.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { waitFor } from "../support/index.ts";
import { kafkaPeer } from "../support/kafka-peer.ts";
import { tableOn } from "../support/mysql-client.ts";
import { tempDir } from "../support/temp-dir.ts";

const services = await useServices("mysql", "kafka");

/** Something that is read from its end on, and grows by one number at a time. */
type Source = {
  readonly input: Readonly<Record<string, unknown>>;
  readonly match: string;
  add(n: number): Promise<unknown>;
  numberIn(line: string): number;
};

/** Kills dbusd before its first checkpoint is due, and lets the source grow before the next start. */
async function beginsOnce({ input, match, add, numberIn }: Source): Promise<void> {
  const dir = tempDir("first-start");
  const file = join(dir, "out.ndjson");
  const config = {
    bus: { checkpointIntervalMs: 3_600_000 },
    state: { dir: join(dir, "state") },
    inputs: [{ name: "in", ...input, start: "latest" }],
    outputs: [{ name: "out", plugin: "StreamOutput", match, file }],
  };
  const arrived = () =>
    existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1).map(numberIn) : [];
  const daemons: DaemonProcess[] = [];
  const start = async () => {
    const daemon = await startDaemonProcess({ dir, config });
    daemons.push(daemon);
    return daemon;
  };
  let last = 0;
  try {
    const first = await start();
    const begun = async () => {
      await add(++last);
      return arrived().length > 0;
    };
    await waitFor(begun, { what: "the first number", timeoutMs: 30_000 });
    first.kill("SIGKILL");
    await first.exited;
    for (let more = 0; more < 5; more++) await add(++last);
    const again = await start();
    await waitFor(() => arrived().includes(last), { what: "the last one", timeoutMs: 30_000 });
    const found = [...new Set(arrived())];
    const from = found[0] ?? 0;
    expect(found).toEqual(Array.from({ length: last + 1 - from }, (_, n) => from + n));
    expect(await again.stop()).toBe(0);
  } finally {
    for (const daemon of daemons) if (daemon.running) daemon.kill("SIGKILL");
  }
}

services.test(
  "who begins at the end of a binlog and is killed at once goes on from there, and misses no row (fault 72)",
  async ({ mysql }) => {
    const { client, db } = await tableOn(mysql);
    const { host, port } = mysql;
    await beginsOnce({
      input: { plugin: "MysqlbinlogInput", host, port, user: "root", databases: [db] },
      match: "in",
      add: (n) => client.query(`INSERT INTO ${db}.a VALUES (${n})`),
      numberIn: (line) => (JSON.parse(line) as { rows: [[number]] }).rows[0][0],
    });
    client.close();
  },
);

services.test(
  "who begins at the end of a topic and is killed at once goes on from there, and misses no record (fault 72)",
  async ({ kafka }) => {
    const topic = newTopicName("first-start");
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(topic, 1);
    const brokers = kafka.bootstrap.split(",");
    await beginsOnce({
      input: { plugin: "KafkaInput", brokers, topics: [topic], fetchWaitMs: 100 },
      match: topic,
      add: (n) => peer.produceByKey(topic, [`${n}`]),
      numberIn: (line) =>
        Number(Buffer.from((JSON.parse(line) as { key: string }).key, "base64").toString()),
    });
    await peer.close();
  },
);

import { expect } from "bun:test";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { type KafkaAddress, type MysqlAddress, useServices } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { type FaultProxy, faultProxy } from "../../support/fault-proxy.ts";
import { testSeed, waitFor } from "../../support/index.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { kafkaWitness } from "../../support/kafka-topic.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { runInput } from "../../support/mysql-input.ts";
import { notePacket, noteTable } from "../../support/row-packets.ts";

const services = await useServices("mysql", "mariadb", "kafka");

/** A round trip of half a second and more, and 64 KB a second either way. */
function makeSlow(proxy: FaultProxy): void {
  proxy.add({ type: "latency", ms: 200 });
  proxy.add({ type: "jitter", ms: 100 });
  proxy.add({ type: "rate", bytesPerSecond: 64_000 });
}

async function mysqlOverIt(at: MysqlAddress): Promise<void> {
  const { client, db } = await freshDatabase(at, "slow");
  await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY, body TEXT)`);
  const proxy = await faultProxy(at, { seed: testSeed(`slow network to ${at.flavor}`) });
  makeSlow(proxy);
  // With a heartbeat a second, silence of 3.5 s would be the end: latency is not silence.
  const input = await runInput(proxy, { databases: [db], heartbeatMs: 1_000 });
  // Some twenty round trips: two logins and the questions before the stream.
  await waitFor(() => input.states.includes(null), { what: "the stream", timeoutMs: 40_000 });
  for (let id = 0; id < 100; id++) {
    await client.query(`INSERT INTO ${db}.t VALUES (${id}, REPEAT('x', 2000))`);
  }
  const rows = await input.rowsReach(100);
  expect(rows.map(({ after }) => after?.[0])).toEqual([...Array(100).keys()]);
  expect([input.states, input.gaps]).toEqual([[null], []]);
  await input.stop();
  await proxy.close();
  client.close();
}

async function kafkaOverIt({ bootstrap }: KafkaAddress): Promise<void> {
  const port = Number(bootstrap.slice(bootstrap.lastIndexOf(":") + 1));
  const seed = testSeed("slow network to kafka");
  const proxy = await faultProxy({ port }, { seed, protocol: "kafka" });
  makeSlow(proxy);
  const table = noteTable(`slow${crypto.randomUUID().slice(0, 8)}`, "notes");
  const topic = `cdc.${table.db}.notes`;
  // A topic that is only just there has no leader yet, which is another reason for a second try.
  const witness = await kafkaWitness(bootstrap);
  await witness.createTopic(topic, 3);
  await witness.close();
  const output = await driveOutput(kafkaOutput, { brokers: [`127.0.0.1:${proxy.port}`] });
  const packets = Array.from({ length: 400 }, (_, n) =>
    notePacket(table, "I", { after: [n, crypto.randomUUID().repeat(4)] }, n),
  );
  const { refused, retries } = await output.deliver(packets, { batch: 100 });
  await output.close();
  expect([refused.size, retries]).toEqual([0, 0]);
  expect(proxy.stats().upstream).toBeGreaterThan(400 * 36 * 4);
  await proxy.close();
  const records = await readTopic(bootstrap, topic);
  const ids = records.map(({ value }) => JSON.parse(`${value}`).rows[0][0] as number);
  expect(ids.toSorted((a, b) => a - b)).toEqual([...Array(400).keys()]);
}

services.test("fault 68: a slow and jittery way from both servers breaks no stream", (all) =>
  Promise.all([mysqlOverIt(all.mysql), mysqlOverIt(all.mariadb)]).then(() => {}),
);

services.test("fault 68: a slow and jittery way to Kafka costs no batch a second try", (all) =>
  kafkaOverIt(all.kafka),
);

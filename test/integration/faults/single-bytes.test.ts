import { expect } from "bun:test";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { type MysqlAddress, useServices } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { type FaultProxy, faultProxy } from "../../support/fault-proxy.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { kafkaWitness } from "../../support/kafka-topic.ts";
import { clientAt, freshDatabase } from "../../support/mysql-client.ts";
import { runInput } from "../../support/mysql-input.ts";
import { notePacket, noteTable } from "../../support/row-packets.ts";
import { zooStatements } from "../../support/type-zoo.ts";

const services = await useServices("mysql", "mariadb", "kafka");

/** A proxy that sends every byte of both sides as a segment of its own. */
async function bytewise(
  to: { readonly port: number },
  protocol: "mysql" | "kafka",
): Promise<{ readonly proxy: FaultProxy; allAlone(): void }> {
  const proxy = await faultProxy(to, { seed: 69, protocol });
  const slicer = proxy.add({ type: "slicer", bytes: 1 });
  return {
    proxy,
    allAlone() {
      const { upstream, downstream } = proxy.stats();
      // The first byte of what arrives together is cut off from nothing, so there are fewer cuts.
      expect(slicer.acted).toBeGreaterThan((upstream + downstream) * 0.9);
    },
  };
}

async function rowsByteByByte(at: MysqlAddress): Promise<void> {
  const { client, db } = await freshDatabase(at, "bytes");
  const { proxy, allAlone } = await bytewise(at, "mysql");
  const sliced = await runInput(proxy, { databases: [db] });
  const whole = await runInput(at, { databases: [db] });
  await Promise.all([sliced.streaming(), whole.streaming()]);
  const statements = zooStatements(at.flavor, db, { small: true });
  for (const sql of statements) await client.query(sql);
  const inserts = statements.filter((sql) => sql.startsWith("INSERT")).length;
  await client.query("UPDATE zoo SET id = id + 1000 WHERE id < 3");
  const rows = await sliced.rowsReach(inserts + 3);
  expect(await whole.rowsReach(inserts + 3)).toEqual(rows);
  expect(sliced.states).toEqual([null]);
  allAlone();
  await Promise.all([sliced.stop(), whole.stop()]);
  await proxy.close();
  client.close();
}

async function answersByteByByte(at: MysqlAddress): Promise<void> {
  const { proxy, allAlone } = await bytewise(at, "mysql");
  const [sliced, whole] = await Promise.all([clientAt(proxy), clientAt(at)]);
  const sql = "SELECT * FROM information_schema.COLLATIONS ORDER BY COLLATION_NAME LIMIT 20";
  const answer = await sliced.query(sql);
  expect(answer.length).toBe(20);
  expect(await whole.query(sql)).toEqual(answer);
  const refused = sliced.query("SELECT nonsense FROM nowhere.at_all");
  expect(await refused.catch((error: Error) => error.message)).toContain("nowhere");
  allAlone();
  sliced.close();
  whole.close();
  await proxy.close();
}

services.test("fault 69: rows are read from single bytes (mysql)", ({ mysql }) =>
  rowsByteByByte(mysql),
);

services.test("fault 69: rows are read from single bytes (mariadb)", ({ mariadb }) =>
  rowsByteByByte(mariadb),
);

services.test("fault 69: answers and errors are read from single bytes (mysql)", ({ mysql }) =>
  answersByteByByte(mysql),
);

services.test("fault 69: answers and errors are read from single bytes (mariadb)", ({ mariadb }) =>
  answersByteByByte(mariadb),
);

services.test(
  "fault 69: Kafka is written to, and understood, by single bytes",
  async ({ kafka }) => {
    const port = Number(kafka.bootstrap.slice(kafka.bootstrap.lastIndexOf(":") + 1));
    const { proxy, allAlone } = await bytewise({ port }, "kafka");
    const table = noteTable(`bytes${crypto.randomUUID().slice(0, 8)}`, "notes");
    const topic = `cdc.${table.db}.notes`;
    // A topic that is only just there has no leader yet, which is another reason for a second try.
    const witness = await kafkaWitness(kafka.bootstrap);
    await witness.createTopic(topic, 3);
    await witness.close();
    const output = await driveOutput(kafkaOutput, { brokers: [`127.0.0.1:${proxy.port}`] });
    const packets = Array.from({ length: 60 }, (_, n) =>
      notePacket(table, "I", { after: [n, `note ${n}`] }, n),
    );
    const { refused, retries } = await output.deliver(packets, { batch: 20 });
    await output.close();
    expect([refused.size, retries]).toEqual([0, 0]);
    allAlone();
    const { accepted, upstream } = proxy.stats();
    expect(accepted).toBeGreaterThan(0);
    expect(upstream).toBeGreaterThan(60 * 50);
    await proxy.close();
    const records = await readTopic(kafka.bootstrap, topic);
    const notes = records.map(({ value }) => JSON.parse(`${value}`).rows[0]);
    expect(notes.toSorted((a, b) => a[0] - b[0])).toEqual(
      Array.from({ length: 60 }, (_, n) => [n, `note ${n}`]),
    );
  },
);

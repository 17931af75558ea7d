import { afterAll, expect } from "bun:test";
import { join } from "node:path";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { type MysqlService, startKafka, startMysql, useStarted } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { kafkaWitness } from "../../support/kafka-topic.ts";
import { tableOn } from "../../support/mysql-client.ts";
import { runInput } from "../../support/mysql-input.ts";
import { makeNetwork, type Network } from "../../support/net-namespaces.ts";
import { notePacket, noteTable } from "../../support/row-packets.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** Servers behind a router that loses what it is told to lose. */
const own = await useStarted("servers in a network namespace", async () => {
  const network = await makeNetwork();
  const elsewhere = network.servers;
  const init = join(tempDir("partition"), "init.sql");
  await Bun.write(init, "CREATE USER root@'%';\nGRANT ALL ON *.* TO root@'%';\n");
  // There is no resolver there; and MariaDB knows root on its own machine only.
  const args = ["--skip-name-resolve"];
  const [mysql, mariadb, kafka] = await Promise.all([
    startMysql({ flavor: "mysql", elsewhere, args }),
    startMysql({ flavor: "mariadb", elsewhere, args: [...args, `--init-file=${init}`] }),
    startKafka({ elsewhere }),
  ]);
  afterAll(async () => {
    for (const server of [mysql, mariadb]) server.kill("SIGKILL");
    await Promise.all([mysql.stop(), mariadb.stop(), kafka.stop()]);
    await network.close();
  });
  return { network, mysql, mariadb, kafka };
});

type Direction = Parameters<Network["lose"]>[0];

/** The server still hears us and we no longer hear it, or the other way round. */
async function reader(at: MysqlService) {
  const { client, db } = await tableOn(at);
  const config = { heartbeatMs: 300, connectTimeoutMs: 500, databases: [db], tls: "disable" };
  const input = await runInput(at, config);
  await input.streaming();
  const insert = async (id: number) =>
    void (await client.query(`INSERT INTO ${db}.a VALUES (${id})`));
  return { client, input, insert, ids: () => input.rows().map(({ after }) => after?.[0]) };
}

async function mysqlAcross(
  network: Network,
  servers: readonly MysqlService[],
  direction: Direction,
): Promise<void> {
  const readers = await Promise.all(servers.map(reader));
  for (const { insert, input } of readers) {
    await insert(1);
    await input.rowsReach(1);
  }
  const heal = await network.lose(direction);
  // What the server has to say now does not get through, or is not known to have.
  const inserts = readers.map(({ insert }) => insert(2).catch(() => {}));
  for (const { input } of readers) {
    const failed = () => input.states.filter((state) => state !== null).length >= 3;
    await waitFor(failed, { what: "several attempts", timeoutMs: 30_000 });
    expect([input.ended, input.gaps]).toEqual([undefined, []]);
  }
  await heal();
  await Promise.all(inserts);
  for (const { input, insert, ids } of readers) {
    await input.rowsReach(2);
    await insert(3);
    await input.rowsReach(3);
    await holdsFor(() => input.packets.length === 3, { ms: 100, what: "each row once" });
    expect([ids(), input.gaps, input.states.at(-1)]).toEqual([[1, 2, 3], [], null]);
    await input.stop();
  }
  for (const { client } of readers) client.close();
}

async function kafkaAcross(network: Network, bootstrap: string, direction: Direction) {
  const table = noteTable(`part${crypto.randomUUID().slice(0, 8)}`, "notes");
  const topic = `cdc.${table.db}.notes`;
  const witness = await kafkaWitness(bootstrap);
  await witness.createTopic(topic, 3);
  const output = await driveOutput(kafkaOutput, {
    brokers: [bootstrap],
    requestTimeoutMs: 1_000,
    connectTimeoutMs: 500,
  });
  const packets = Array.from({ length: 600 }, (_, n) =>
    notePacket(table, "I", { after: [n % 50, `${n}`] }, n),
  );
  await output.deliver(packets.slice(0, 100), { batch: 50 });
  const heal = await network.lose(direction);
  let tries = 0;
  const rest = output.deliver(packets.slice(100), { batch: 50, onRetry: () => tries++ });
  await waitFor(() => tries >= 2, { what: "second and third tries", timeoutMs: 30_000 });
  await heal();
  const { refused } = await rest;
  expect(refused.size).toBe(0);
  await output.close();
  const records = await readTopic(bootstrap, topic);
  const numbers = records.map(({ value }) => Number(JSON.parse(`${value}`).rows[0][1]));
  expect(numbers.toSorted((a, b) => a - b)).toEqual([...Array(600).keys()]);
  const last = new Map<string, number>();
  for (const [n, { key }] of records.entries()) {
    expect(numbers[n]).toBeGreaterThan(last.get(`${key}`) ?? -1);
    last.set(`${key}`, numbers[n]!);
  }
  await witness.close();
}

for (const direction of ["to the servers", "to us"] as const) {
  own.test(
    `fault 67: what is lost on the way ${direction} alone costs MySQL's readers no row`,
    ({ network, mysql, mariadb }) => mysqlAcross(network, [mysql, mariadb], direction),
    120_000,
  );

  own.test(
    `fault 67: what is lost on the way ${direction} alone loses and doubles nothing in Kafka`,
    ({ network, kafka }) => kafkaAcross(network, kafka.bootstrap, direction),
    120_000,
  );
}

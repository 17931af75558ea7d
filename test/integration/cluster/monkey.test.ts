// test-timeout: 30m
import { expect } from "bun:test";
import { sharedMysql, startZookeeperEnsemble, useStarted } from "../../services/index.ts";
import { busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import { mockConfig, mockLines, mockSum } from "../../support/bus-cluster/mock-ledger.ts";
import { breath, createMonkey } from "../../support/bus-cluster/monkey.ts";
import { whatHappened } from "../../support/bus-cluster/what-happened.ts";
import { waitFor } from "../../support/index.ts";
import { clientAt } from "../../support/mysql-client.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { steadyWriter } from "../../support/steady-writer.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** How long it rages; `DBUS_MONKEY_SECONDS=600` is the long form. */
const seconds = Number(process.env.DBUS_MONKEY_SECONDS ?? 25);
const sessionTimeoutMs = 3_000;
const rate = 20;
const everybody = ["p1", "p2", "p3", "p4", "p5"];
const database = `monkey_${process.pid}`;

const services = await useStarted("MySQL and three ZooKeeper servers", async () => ({
  mysql: await sharedMysql("mysql"),
  zookeeper: await startZookeeperEnsemble({ tickMs: 200 }),
  stop: async () => {},
}));

services.test(
  "a monkey kills, stops and ends participants and ZooKeeper: nothing is lost, each resource has one owner (fault 72)",
  async ({ mysql, zookeeper }) => {
    const random = seededRandom(testSeed("monkey"));
    const dir = tempDir("monkey");
    const client = await clientAt(mysql);
    await client.query(`CREATE DATABASE ${database}`);
    await client.query(`CREATE TABLE ${database}.rows_of (id INT PRIMARY KEY)`);
    const mock = mockConfig(dir, 19, rate);
    const account = { host: mysql.host, port: mysql.port, user: "root" };
    const mine = { name: "my", plugin: "MysqlbinlogInput", ...account, databases: [database] };
    const file = `${dir}/my.\${DBUS_NODE}.ndjson`;
    const sink = { name: "to-my", plugin: "StreamOutput", match: "my", file };
    const config = {
      ...mock,
      inputs: [...mock.inputs, { ...mine, start: "latest" }],
      outputs: [...mock.outputs, sink],
    };
    const { connect } = zookeeper;
    const cluster = busCluster({ connect, name: "monkey", dir, sessionTimeoutMs, config });
    const monkey = createMonkey({ cluster, zookeeper, everybody, sessionTimeoutMs, random });
    try {
      await Promise.all(everybody.map((pid) => cluster.start(pid)));
      await cluster.settled(everybody, 60_000);
      const writer = await steadyWriter(mysql, `${database}.rows_of`, {
        random,
        rowsMax: 3,
        between: breath,
      });
      const until = performance.now() + seconds * 1_000;
      while (performance.now() < until) await monkey.act();
      await monkey.heal();
      await cluster.settled(everybody, 60_000);
      await writer.stop();
      const rowsOfMysql = () => mockSum(mockLines(dir, "my")).rows;
      await waitFor(() => rowsOfMysql() >= writer.confirmed, {
        ...{ timeoutMs: 60_000, intervalMs: 200, what: "the last row of MySQL" },
      });
      for (const pid of everybody) expect(await cluster.daemons.get(pid)?.stop()).toBe(0);
      // Who ends gives what it has to those who are still there: each time is one more owner.
      const owners = await cluster.owners();
      let duplicates = 0;
      let lateTurns = 0;
      for (const [name, { fence }] of owners) {
        const sum = mockSum(mockLines(dir, name));
        expect([name, sum.beyondGap]).toEqual([name, 0]);
        lateTurns += Math.max(0, sum.turns - (fence - 1));
        expect(sum.rewinds).toBeLessThanOrEqual(fence);
        // Of each time of ownership at most what came after its last checkpoint.
        const checkpointed = rate * 3 * (fence + monkey.deaths);
        if (name !== "my") expect(sum.duplicates).toBeLessThanOrEqual(checkpointed);
        duplicates += sum.duplicates;
      }
      // Who is stopped amid a write ends that one when it goes on, between two turns of the next owner.
      expect(lateTurns).toBeLessThanOrEqual(2 * monkey.stops);
      process.stderr.write(
        `monkey: ${monkey.deeds.length} deeds, ${monkey.deaths} deaths, ${duplicates} rows twice\n`,
      );
    } catch (error) {
      process.stderr.write(`${await whatHappened(cluster, monkey.deeds)}\n`);
      throw error;
    } finally {
      await monkey.heal().catch(() => {});
      await cluster.stop();
      await client.query(`DROP DATABASE ${database}`);
      client.close();
      await zookeeper.stop();
    }
  },
  (seconds + 300) * 1_000,
);

import { expect } from "bun:test";
import { join } from "node:path";
import { type StatusRecord, statusSchema } from "#src/cluster/records.ts";
import { sharedMysql, startZookeeper, useStarted } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import { movesOn, nothingIsLost } from "../../support/bus-cluster/cluster-checks.ts";
import { mockConfig } from "../../support/bus-cluster/mock-ledger.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * Resources that cannot be opened: by a wrong password, and by a server that is not there. What
 * fails later is shown by `simulation/cluster-failing.test.ts`.
 */
const sessionTimeoutMs = 2_000;
const rate = 20;
const both = ["p1", "p2"];

const services = await useStarted("ZooKeeper and MySQL", async () => ({
  zookeeper: await startZookeeper({ tickMs: 200 }),
  mysql: await sharedMysql("mysql"),
}));

async function statusOf(cluster: BusCluster, input: string): Promise<StatusRecord | null> {
  const text = await cluster.node(`/status/${(await cluster.owners()).get(input)?.rid}`);
  return text === null ? null : statusSchema.parse(JSON.parse(text));
}

/** Resolves when both have said that they cannot read it. */
async function failsEverywhere(cluster: BusCluster, input: string, attempts: number) {
  return await waitFor(
    async () => {
      const status = await statusOf(cluster, input);
      const everywhere = both.every((pid) => status?.failedOn.includes(pid));
      return everywhere && (status?.attempts ?? 0) >= attempts ? status : undefined;
    },
    { what: `${input} to have failed on both`, timeoutMs: 60_000, intervalMs: 100 },
  );
}

services.test(
  "what cannot be read is tried by each once, then waits and says why; the rest goes on, and mended it is read where it was",
  async ({ zookeeper: { connect }, mysql }) => {
    const dir = tempDir("refused");
    const { client, db } = await freshDatabase(mysql, "refused");
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY)`);
    const user = `u_${db}`;
    const password = async (text: string) => {
      await client.query(`ALTER USER ${user} IDENTIFIED BY '${text}'`);
    };
    await client.query(`CREATE USER ${user} IDENTIFIED BY 'another'`);
    const rights = "REPLICATION SLAVE, REPLICATION CLIENT, SELECT";
    await client.query(`GRANT ${rights} ON *.* TO ${user}`);
    const mocks = mockConfig(dir, 4, rate);
    const input = { plugin: "MysqlbinlogInput", host: "127.0.0.1", databases: [db] };
    const file = join(dir, "locked.${DBUS_NODE}.ndjson");
    const nobody = { ...input, name: "nobody", port: await freePort(), user: "root", password: "" };
    const config = {
      ...mocks,
      inputs: [
        ...mocks.inputs,
        { ...input, name: "locked", port: mysql.port, user, password: "right", start: "latest" },
        nobody,
      ],
      outputs: [
        ...mocks.outputs,
        { name: "to-locked", plugin: "StreamOutput", match: "locked", file },
        { name: "to-nobody", plugin: "MockOutput", match: "nobody" },
      ],
    };
    const cluster = busCluster({ connect, name: "refused", dir, sessionTimeoutMs, config });
    const rebalance = async () => {
      const { adminUrl } = cluster.daemons.get("p1") ?? {};
      const answer = await fetch(`${adminUrl}/api/v1/cluster/rebalance`, {
        ...{ method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
      });
      expect(answer.status).toBe(200);
    };
    const written = () => {
      const files = [...new Bun.Glob("locked.*.ndjson").scanSync(dir)].map((one) => join(dir, one));
      return Promise.all(files.map((one) => Bun.file(one).text())).then((all) => all.join(""));
    };
    const runs = async () => {
      const { rid } = (await cluster.owners()).get("locked") ?? {};
      return (await cluster.node(`/claim/${rid}`))?.includes('"running"');
    };
    const reads = async (id: number) => {
      await waitFor(runs, { what: "it to run", timeoutMs: 30_000 });
      await client.query(`INSERT INTO ${db}.a VALUES (${id})`);
      const arrived = async () => (await written()).includes(`"rows":[[${id}]]`);
      await waitFor(arrived, { what: `row ${id}`, timeoutMs: 20_000 });
    };
    try {
      await Promise.all(both.map((pid) => cluster.start(pid)));
      const first = await failsEverywhere(cluster, "locked", 2);
      expect([first.code, first.attempts]).toEqual(["MYSQL_ACCESS_DENIED", 2]);
      expect(JSON.stringify(first)).not.toContain("right");
      await holdsFor(async () => (await statusOf(cluster, "locked"))?.attempts === 2, {
        ...{ ms: 3_000, intervalMs: 200, what: "two tries" },
      });
      await movesOn(cluster, rate, ["in0", "in1", "in2", "in3"]);
      await password("right");
      await rebalance();
      await reads(1);
      const gone = await failsEverywhere(cluster, "nobody", 2);
      expect([gone.code, gone.reason]).toEqual([
        "CLUSTER_NOT_OPENED",
        expect.stringContaining("127.0.0.1"),
      ]);
      await nothingIsLost({ ...cluster, config: mocks }, 0);
    } finally {
      await cluster.stop();
      await client.query(`DROP USER ${user}`);
      client.close();
    }
  },
  180_000,
);

services.test("the server of this file is stopped", ({ zookeeper }) => zookeeper.stop());

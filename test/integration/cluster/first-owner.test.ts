import { expect } from "bun:test";
import { sharedMysql, startZookeeper, useStarted } from "../../services/index.ts";
import { busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import { mockLines, mockSum } from "../../support/bus-cluster/mock-ledger.ts";
import { waitFor } from "../../support/index.ts";
import { tableOn } from "../../support/mysql-client.ts";
import { tempDir } from "../../support/temp-dir.ts";

const services = await useStarted("ZooKeeper and MySQL", async () => ({
  zookeeper: await startZookeeper({ tickMs: 200 }),
  mysql: await sharedMysql("mysql"),
}));

services.test(
  "an owner that is killed as soon as it is said to read has written down where: the next one misses no row (fault 72)",
  async ({ zookeeper: { connect }, mysql }) => {
    const dir = tempDir("first-owner");
    const { client, db } = await tableOn(mysql);
    const { host, port } = mysql;
    const from = { host, port, user: "root", databases: [db], start: "latest" };
    const config = {
      // What is written at the beginning is all that there is.
      bus: { checkpointIntervalMs: 3_600_000 },
      inputs: [{ name: "my", plugin: "MysqlbinlogInput", ...from }],
      outputs: [
        {
          ...{ name: "to-my", plugin: "StreamOutput", match: "my" },
          file: `${dir}/my.\${DBUS_NODE}.ndjson`,
        },
      ],
    };
    const cluster = busCluster({ connect, name: "first", dir, sessionTimeoutMs: 2_000, config });
    try {
      await Promise.all(["p1", "p2"].map((pid) => cluster.start(pid)));
      const first = (await cluster.settled(["p1", "p2"])).get("my")?.owner ?? "";
      const other = first === "p1" ? "p2" : "p1";
      cluster.daemons.get(first)?.kill("SIGKILL");
      for (let id = 1; id <= 5; id++) await client.query(`INSERT INTO ${db}.a VALUES (${id})`);
      await cluster.settled([other]);
      await client.query(`INSERT INTO ${db}.a VALUES (6)`);
      await waitFor(() => mockLines(dir, "my").some(({ n }) => n === 5), { what: "the last row" });
      expect(mockSum(mockLines(dir, "my")).rows).toBe(6);
      expect(await cluster.daemons.get(other)?.stop()).toBe(0);
    } finally {
      await cluster.stop();
      client.close();
    }
  },
);

services.test("the server of this file is stopped", ({ zookeeper }) => zookeeper.stop());

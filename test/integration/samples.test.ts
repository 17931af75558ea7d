import { expect } from "bun:test";
import { useServices } from "../services/index.ts";
import { esPeer } from "../support/es-peer.ts";
import { waitFor } from "../support/index.ts";
import { readTopic } from "../support/kafka-read.ts";
import { clientAt, freshDatabase } from "../support/mysql-client.ts";
import { type SampleDaemon, startSample } from "../support/sample-daemon.ts";

/** The samples of etc/ that need servers, on databases of their own. */
const services = await useServices("mysql", "mariadb", "kafka", "elasticsearch");

/** The account of the test servers; a sample asks the environment for its own. */
const account = (kind: "MYSQL" | "MARIADB", { host, port }: { host: string; port: number }) => ({
  [`${kind}_USER`]: "root",
  [`${kind}_PASSWORD`]: "",
  [`${kind}_ADDRESS`]: `${host}:${port}`,
});

/** Waits until so many packets are in Kafka and settled. */
function delivered(sample: SampleDaemon, packets: number): Promise<unknown> {
  const what = `${packets} packets in Kafka; ${sample.log.entries.at(-1)?.message}`;
  return waitFor(() => sample.output("kafka").packets >= packets, { what, timeoutMs: 30_000 });
}

services.test(
  "canal.yaml brings each change of a database into the topic of its table",
  async ({ mysql, kafka }) => {
    const { client, db } = await freshDatabase(mysql, "canal");
    await client.query(`CREATE TABLE ${db}.orders (id INT PRIMARY KEY, item VARCHAR(20))`);
    await client.query(`INSERT INTO ${db}.orders VALUES (1, 'anvil'), (2, 'file')`);
    const sample = await startSample("etc/canal.yaml", {
      env: { ...account("MYSQL", mysql), KAFKA_BROKER: kafka.bootstrap },
      edit: (text) => text.replaceAll("shop", db),
    });
    try {
      await delivered(sample, 2);
      await client.query(`UPDATE ${db}.orders SET item = 'hammer' WHERE id = 1`);
      await client.query(`DELETE FROM ${db}.orders WHERE id = 2`);
      await delivered(sample, 4);
    } finally {
      expect(await sample.end()).toBe(0);
      await client.query(`DROP DATABASE ${db}`);
      await client.close();
    }
    const records = await readTopic(kafka.bootstrap, `cdc.${db}.orders`);
    const changes = records.map(({ value }) => (value ? JSON.parse(`${value}`) : null));
    const seen = changes.map((change) => [change?.op, change?.after?.id, change?.after?.item]);
    expect(seen.filter(([op]) => op !== undefined)).toEqual([
      ["c", 1, "anvil"],
      ["c", 2, "file"],
      ["u", 1, "hammer"],
      ["d", undefined, undefined],
    ]);
  },
);

services.test(
  "canal_many.yaml brings two servers into one Kafka, but not what it excludes",
  async ({ mysql, mariadb, kafka }) => {
    const shop = await freshDatabase(mysql, "many");
    const billing = await freshDatabase(mariadb, "bill");
    const excluded = `${billing.db}_test`;
    await shop.client.query(`CREATE TABLE ${shop.db}.orders (id INT PRIMARY KEY)`);
    await shop.client.query(`CREATE TABLE ${shop.db}.tmp_orders (id INT PRIMARY KEY)`);
    await billing.client.query(`CREATE DATABASE ${excluded}`);
    for (const db of [billing.db, excluded]) {
      await billing.client.query(`CREATE TABLE ${db}.bills (id INT PRIMARY KEY)`);
    }
    const sample = await startSample("etc/canal_many.yaml", {
      env: {
        ...account("MYSQL", mysql),
        ...account("MARIADB", mariadb),
        KAFKA_BROKER: kafka.bootstrap,
      },
      edit: (text) => text.replaceAll("shop", shop.db).replaceAll("billing", billing.db),
    });
    const other = await clientAt(mariadb);
    try {
      await shop.client.query(`INSERT INTO ${shop.db}.tmp_orders VALUES (1)`);
      await other.query(`INSERT INTO ${excluded}.bills VALUES (1)`);
      await shop.client.query(`INSERT INTO ${shop.db}.orders VALUES (1), (2)`);
      await other.query(`INSERT INTO ${billing.db}.bills VALUES (3)`);
      await delivered(sample, 3);
      expect(sample.output("kafka").packets).toBe(3);
      expect(sample.output("nowhere").packets).toBe(1);
    } finally {
      expect(await sample.end()).toBe(0);
      await shop.client.query(`DROP DATABASE ${shop.db}`);
      for (const db of [billing.db, excluded]) await other.query(`DROP DATABASE ${db}`);
      for (const client of [shop.client, billing.client, other]) await client.close();
    }
    const idsIn = async (topic: string) =>
      (await readTopic(kafka.bootstrap, topic)).map(
        ({ value }) => JSON.parse(`${value}`).rows[0][0],
      );
    expect((await idsIn(`cdc.${shop.db}.orders`)).sort()).toEqual([1, 2]);
    expect(await idsIn(`cdc.${billing.db}.bills`)).toEqual([3]);
  },
);

services.test(
  "canal_es.yaml keeps an index as its table is: what is updated, deleted and moved",
  async ({ mysql, elasticsearch }) => {
    const { client, db } = await freshDatabase(mysql, "es");
    const peer = esPeer(elasticsearch.url);
    const index = `${db}-orders`;
    await client.query(
      `CREATE TABLE ${db}.orders (id INT PRIMARY KEY, item VARCHAR(20), price DECIMAL(8,2))`,
    );
    const sample = await startSample("etc/canal_es.yaml", {
      env: { ...account("MYSQL", mysql), ES_NODE: elasticsearch.url },
      edit: (text) => text.replaceAll("shop", db),
    });
    const arrived = (packets: number) =>
      waitFor(() => sample.output("search").packets >= packets, {
        what: `${packets} packets; ${sample.log.entries.at(-1)?.message}`,
        timeoutMs: 30_000,
      });
    try {
      await client.query(
        `INSERT INTO ${db}.orders VALUES (1, 'anvil', 9.50), (2, 'file', 3), (3, '', 0)`,
      );
      await client.query(`UPDATE ${db}.orders SET item = 'hammer' WHERE id = 1`);
      await client.query(`UPDATE ${db}.orders SET id = 4 WHERE id = 2`);
      await client.query(`DELETE FROM ${db}.orders WHERE id = 3`);
      await arrived(6);
      expect(await peer.documents(index)).toEqual(
        new Map([
          ["1", { id: 1, item: "hammer", price: "9.50" }],
          ["4", { id: 4, item: "file", price: "3.00" }],
        ]),
      );
      const mapping = JSON.stringify(await peer.ok("GET", `/${index}/_mapping`));
      expect(mapping).toContain('"price":{"type":"double"}');
    } finally {
      expect(await sample.end()).toBe(0);
      await client.query(`DROP DATABASE ${db}`);
      await client.close();
      await peer.request("DELETE", `/${index}`);
    }
  },
);

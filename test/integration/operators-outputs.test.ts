import { expect } from "bun:test";
import { useServices } from "../services/index.ts";
import { esPeer, freshName } from "../support/es-peer.ts";
import { readTopic } from "../support/kafka-read.ts";
import { placeOf, shopFolder } from "../support/shop-folder.ts";

const services = await useServices("kafka", "elasticsearch");
const counts = { customers: 56, orders: 126, payments: 34 };

services.test(
  "outputs that name a column that is not there keep those rows with their places, and write the others",
  async ({ kafka, elasticsearch }) => {
    const bus = shopFolder("outputs");
    const prefix = freshName("columns");
    bus.write(`outputs:
  - name: kafka
    plugin: KafkaOutput
    match: shop
    brokers: ["${kafka.bootstrap}"]
    topic: "${prefix}.\${tbl}"
    keyColumns: { shop.orders: [id, nosuch] }
    createTopics: { partitions: 1, replicationFactor: 1 }
  - name: es
    plugin: EsOutput
    match: shop
    nodes: ["${elasticsearch.url}"]
    index: "${prefix}-\${tbl}"
    id: "\${row.status}-\${row.id}"`);
    expect((await bus.check()).code).toBe(0);
    const { through, letters, stop } = await bus.start();
    await through();
    const listed = await letters();
    for (const [node, code, reason, count] of [
      ["kafka", "FORMAT_KEY_MISSING", "shop.orders has no column nosuch", counts.orders],
      ["es", "FORMAT_TEMPLATE", "${row.status}", counts.customers + counts.payments],
    ] as const) {
      const own = listed.filter((letter) => letter.node === node);
      expect([node, own.length]).toEqual([node, count]);
      for (const letter of own) {
        expect(letter).toMatchObject({
          code,
          input: "shop",
          reason: expect.stringContaining(reason),
        });
        expect(placeOf(letter)).toMatchObject({ file: "binlog.000001", pos: expect.any(Number) });
      }
      expect(new Set(own.map(({ position }) => position)).size).toBe(count);
    }
    for (const table of ["customers", "payments"] as const) {
      expect(await readTopic(kafka.bootstrap, `${prefix}.${table}`)).toHaveLength(counts[table]);
    }
    const peer = esPeer(elasticsearch.url);
    const orders = await peer.documents(`${prefix}-orders`);
    expect(orders.size).toBeGreaterThan(0);
    for (const [id, row] of orders) expect(id).toBe(`${row.status}-${row.id}`);
    await peer.request("DELETE", `/${prefix}-orders`);
    await stop();
  },
  120_000,
);

import { expect } from "bun:test";
import { randomUUID } from "node:crypto";
import { createConnection } from "mysql2/promise";
import { useServices } from "../../services/index.ts";
import { adminOf, dbcCommand, dbusdCommand, startCommand } from "../../support/command.ts";
import { kafkaWitness } from "../../support/kafka-topic.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitFor } from "../../support/wait-for.ts";

const services = await useServices("mysql", "kafka");
const folder = tempDir("from-to");
const anyPort = ["--admin", "127.0.0.1:0"];

services.test(
  "two URLs move a database, with an account of its own, and dbc follows",
  async ({ mysql, kafka }) => {
    const name = `shop_${randomUUID().slice(0, 8)}`;
    const sql = await createConnection({ host: mysql.host, port: mysql.port, user: "root" });
    const witness = await kafkaWitness(kafka.bootstrap);
    try {
      await sql.query(`CREATE DATABASE ${name}`);
      await sql.query(`CREATE USER '${name}'@'%' IDENTIFIED BY 'p@ss/w:rd'`);
      await sql.query(
        `GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO '${name}'@'%'`,
      );
      await sql.query(`CREATE TABLE ${name}.orders (id INT PRIMARY KEY, note VARCHAR(20))`);
      await sql.query(`INSERT INTO ${name}.orders VALUES (1, 'one'), (2, 'two')`);

      const from = `mysql://${name}:p%40ss%2Fw%3Ard@${mysql.host}:${mysql.port}/${name}`;
      const to = `kafka://${kafka.bootstrap}/cdc`;
      const argv = [...dbusdCommand, "--from", from, "--to", to, ...anyPort];
      const dbusd = startCommand(argv, { cwd: folder });
      const url = await adminOf(dbusd);
      const topic = `cdc.${name}.orders`;
      await waitFor(async () => (await witness.readable(topic)) === 2, {
        what: "the first two rows",
        timeoutMs: 30_000,
      });
      await sql.query(`UPDATE ${name}.orders SET note = 'zwei' WHERE id = 2`);
      await waitFor(async () => (await witness.readable(topic)) === 3, { what: "the update" });

      const seen: unknown[] = [];
      await witness.readAll(topic, ({ key, value }) => {
        const { dml, rows } = JSON.parse(String(value)) as { dml: string; rows: unknown };
        seen.push([String(key), dml, rows]);
      });
      expect(seen.map((one) => (one as unknown[])[1])).toEqual(["I", "I", "U"]);
      expect(JSON.stringify(seen[2])).toContain("zwei");

      const status = startCommand([...dbcCommand, "status", "--admin", url], { cwd: folder });
      expect(await status.ended()).toBe(0);
      expect(status.out()).toMatch(/mysql +mysql .* running/);
      dbusd.kill("SIGTERM");
      expect(await dbusd.ended()).toBe(0);
      expect(dbusd.err()).not.toContain("p@ss");
      expect(dbusd.err()).not.toContain("p%40ss");
    } finally {
      await sql.query(`DROP USER IF EXISTS '${name}'@'%'`);
      await sql.query(`DROP DATABASE IF EXISTS ${name}`);
      await sql.end();
      await witness.close();
    }
  },
  120_000,
);

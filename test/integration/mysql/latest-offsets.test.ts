import { expect } from "bun:test";
import { useServices } from "../../services/index.ts";
import { clientAt, freshDatabase } from "../../support/mysql-client.ts";
import { runInput } from "../../support/mysql-input.ts";

const services = await useServices("mysql");
const starts = 8;

services.test(
  "offsets are right though MySQL names a place behind transactions that it still sends",
  async ({ mysql }) => {
    const { client, db } = await freshDatabase(mysql, "latest");
    await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY AUTO_INCREMENT)`);
    let writing = true;
    const writer = async (n: number) => {
      const own = await clientAt(mysql);
      while (writing) {
        // A statement that makes something is in the file long before it is in the set.
        await own.query(`CREATE TABLE ${db}.other${n} (id INT)`);
        await own.query(`INSERT INTO ${db}.t VALUES ()`);
        await own.query(`DROP TABLE ${db}.other${n}`);
      }
      own.close();
    };
    const writers = [1, 2, 3, 4].map(writer);
    try {
      for (let n = 0; n < starts; n++) {
        const input = await runInput(mysql, { databases: [db] });
        const rows = await input.rowsReach(3);
        await input.stop();
        for (const { log, pos } of rows) {
          const [event] = await client.query(`SHOW BINLOG EVENTS IN '${log}' FROM ${pos} LIMIT 1`);
          expect(event).toMatchObject({ Event_type: "Write_rows" });
        }
      }
    } finally {
      writing = false;
      await Promise.all(writers);
      client.close();
    }
  },
);

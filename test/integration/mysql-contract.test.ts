import { mysqlbinlogInput } from "#plugins/input/mysqlbinlog/mysqlbinlog-input.ts";
import { inputPluginContract } from "../contract/input-plugin.ts";
import { startMysql, useStarted } from "../services/index.ts";
import { freshDatabase } from "../support/mysql-client.ts";

const { test } = await useStarted("mysql", async () => {
  const mysql = await startMysql();
  const { client, db } = await freshDatabase(mysql, "contract");
  await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, name VARCHAR(20))`);
  await client.query(`INSERT INTO ${db}.a VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')`);
  await client.query(`UPDATE ${db}.a SET name = 'x' WHERE id < 5`);
  for (const id of [1, 2, 3]) await client.query(`DELETE FROM ${db}.a WHERE id = ${id}`);
  const { host, port } = mysql;
  const config = { host, port, user: "root", start: "earliest", databases: [db] };
  inputPluginContract(mysqlbinlogInput, { config: () => config });
  return { client };
});

test("the contract had a server to run on", ({ client }) => client.close());

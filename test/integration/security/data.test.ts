import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { useServices } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { startDaemonProcess } from "../../support/daemon-process.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitFor } from "../../support/wait-for.ts";

const services = await useServices("mysql", "kafka");

/** Each is one that a floating point number does not hold. */
const numbers = ["18446744073709551615", "9007199254740993", "9223372036854775809", "0"];
const signed = ["-9223372036854775808", "-9007199254740993", "9223372036854775807"];

services.test(
  "S13: 64-bit numbers arrive with every digit, from MySQL and by HTTP, in files and in Kafka",
  async ({ mysql, kafka }) => {
    const { client, db } = await freshDatabase(mysql, "digits");
    await client.query(`CREATE TABLE ${db}.n (u BIGINT UNSIGNED PRIMARY KEY, s BIGINT, j JSON)`);
    const dir = tempDir("digits");
    const port = await freePort();
    const topic = `digits-${crypto.randomUUID().slice(0, 8)}`;
    const daemon = await startDaemonProcess({
      dir,
      config: {
        state: { dir: join(dir, "state") },
        inputs: [
          {
            ...{ name: "db", plugin: "MysqlbinlogInput", host: mysql.host, port: mysql.port },
            ...{ user: "root", password: "", tables: [`${db}.*`], start: "latest" },
          },
          { name: "posted", plugin: "HttpInput", port },
        ],
        outputs: [
          { name: "kept", plugin: "StreamOutput", match: "*" },
          {
            ...{ name: "kafka", plugin: "KafkaOutput", match: "*", brokers: [kafka.bootstrap] },
            ...{ topic, createTopics: { partitions: 1, replicationFactor: 1 } },
          },
        ],
      },
    });
    await daemon.ready();
    const known = async () =>
      ((await (await fetch(`${daemon.adminUrl}/api/v1/checkpoints`)).json()) as unknown[]).length >
      0;
    await waitFor(known, { what: "a position", timeoutMs: 30_000 });
    for (const [at, u] of numbers.entries()) {
      const s = signed[at] ?? "NULL";
      await client.query(`INSERT INTO ${db}.n VALUES (${u}, ${s}, '{"n": ${u}}')`);
    }
    const body = `[${numbers.map((n) => `{"n":${n}}`).join(",")}]`;
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers, body });
    expect(answer.status).toBe(202);
    const lines = () =>
      readFileSync(join(dir, "state", "kept", "kept.ndjson"), "utf8")
        .split("\n")
        .slice(0, -1);
    await waitFor(() => lines().length === 2 * numbers.length, { what: "all lines" });
    expect(await daemon.stop()).toBe(0);
    const records = (await readTopic(kafka.bootstrap, topic)).map(({ value }) => `${value}`);
    for (const texts of [lines(), records]) {
      expect(texts).toHaveLength(2 * numbers.length);
      for (const [at, n] of numbers.entries()) {
        expect(texts.filter((text) => text === `{"n":${n}}`)).toHaveLength(1);
        const rows = texts.filter((text) =>
          text.includes(`"rows":[[${n},${signed[at] ?? "null"},`),
        );
        expect(rows).toHaveLength(1);
      }
    }
  },
);

services.test(
  "S11: what is in rows is in no line of the log, and breaks none, whatever fails",
  async ({ mysql }) => {
    const { client, db } = await freshDatabase(mysql, "logged");
    await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY, s TEXT)`);
    const dir = tempDir("logged");
    const daemon = await startDaemonProcess({
      dir,
      config: {
        state: { dir: join(dir, "state") },
        inputs: [
          {
            ...{ name: "db", plugin: "MysqlbinlogInput", host: mysql.host, port: mysql.port },
            ...{ user: "root", password: "", tables: [`${db}.*`], start: "latest" },
          },
        ],
        outputs: [
          { name: "kept", plugin: "StreamOutput", match: "*" },
          // Without a topic of that name, each row ends in the dead letters with its reason.
          {
            ...{ name: "refused", plugin: "KafkaOutput", match: "*", brokers: ["127.0.0.1:1"] },
            ...{ mode: "dryrun", keyColumns: { [`${db}.t`]: ["nothere"] } },
          },
        ],
      },
    });
    await daemon.ready();
    const url = daemon.adminUrl;
    const many = async (path: string) =>
      ((await (await fetch(url + path)).json()) as unknown[]).length;
    await waitFor(async () => (await many("/api/v1/checkpoints")) > 0, { what: "a position" });
    const marker = `row-${crypto.randomUUID()}`;
    const value = `${marker}\\n{"level":"error","message":"forged"}\u001b[2J\u2028x\\r\\n`;
    await client.query(`INSERT INTO ${db}.t VALUES (1, ?)`, [value.replaceAll("\\n", "\n")]);
    await client.query(`UPDATE ${db}.t SET s = CONCAT(s, s)`);
    const kept = join(dir, "state", "kept", "kept.ndjson");
    await waitFor(() => readFileSync(kept, "utf8").split("\n").length === 3, { what: "two lines" });
    expect(readFileSync(kept, "utf8")).toContain(marker);
    await waitFor(async () => (await many("/api/v1/deadletters")) > 0, { what: "dead letters" });
    const listed = await (await fetch(`${url}/api/v1/deadletters`)).text();
    const stat = await (await fetch(`${url}/api/v1/stat`)).text();
    expect(await daemon.stop()).toBe(0);
    const log = await daemon.log();
    for (const text of [log, listed, stat]) expect(text).not.toContain(marker);
    for (const line of log.trimEnd().split("\n")) expect(JSON.parse(line)).toHaveProperty("level");
    expect(log).not.toContain("forged");
  },
);

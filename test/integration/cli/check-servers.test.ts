import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { ServerCheck } from "#src/cli/check-servers.ts";
import { runDbusd } from "#src/cli/run-dbusd.ts";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { useServices, useStarted } from "../../services/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { startSecuredKafka } from "../../support/kafka-secured.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { tempDir } from "../../support/temp-dir.ts";

const services = await useServices("kafka", "elasticsearch", "mysql");
const secured = await useStarted("kafka with logins", () => startSecuredKafka());
const dir = tempDir("check");

type Checked = {
  readonly code: number;
  readonly ok: boolean;
  readonly servers: readonly ServerCheck[];
};

let files = 0;
function fileOf(inputs: readonly object[], outputs: readonly object[]): string {
  const file = join(dir, `${++files}.yaml`);
  const named = (all: readonly object[], what: string) =>
    all.map((one, at) => ({ name: `${what}${at}`, ...one }));
  const spare = { plugin: "MockInput", ident: "spare" };
  const sink = { plugin: "MockOutput", match: "*" };
  const config = {
    inputs: named(inputs.length > 0 ? inputs : [spare], "in"),
    outputs: named(outputs.length > 0 ? outputs : [sink], "out").map((one) => ({
      match: "*",
      ...one,
    })),
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function dbusd(
  ...argv: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  const said = { out: [] as string[], err: [] as string[] };
  const code = await runDbusd(argv, {
    ...{ env: {}, terminal: false, dbc: "dbc" },
    out: (text) => void said.out.push(text),
    err: (text) => void said.err.push(text),
  });
  return { code, out: said.out.join(""), err: said.err.join("") };
}

async function check(inputs: readonly object[], outputs: readonly object[]): Promise<Checked> {
  const { code, out } = await dbusd(fileOf(inputs, outputs), "--check", "--json");
  return { code, ...JSON.parse(out) };
}

/** `error KAFKA_AUTH`, `ok reached ...`: of each finding what tells it from others. */
const said = ({ servers }: Checked) =>
  servers.flatMap(({ findings }) =>
    findings.map((one) =>
      one.severity === "ok" ? `ok ${one.message}` : `${one.severity} ${one.code}`,
    ),
  );

services.test(
  "--check says which topics are there, which would be made, and what only waits",
  async ({ kafka }) => {
    const topic = newTopicName("check");
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(topic, 2);
    const brokers = ["127.0.0.1:1", kafka.bootstrap];
    const input = { plugin: "KafkaInput", brokers };
    const output = { plugin: "KafkaOutput", brokers: [kafka.bootstrap] };
    const checked = await check(
      [
        { ...input, topics: [topic, `${topic}.none`], groupId: topic },
        { ...input, brokers: [kafka.bootstrap], topicPattern: `${topic}[.]nothing.*` },
      ],
      [
        { ...output, topic: `${topic}.new`, partition: 3 },
        { ...output, topic, partition: 3 },
        { ...output, topic: "${ident}" },
      ],
    );
    expect(said(checked)).toEqual([
      ...["warning KAFKA_UNREACHABLE", `ok reached ${kafka.bootstrap}`],
      ...[`ok topic ${topic} has 2 partitions`, "warning KAFKA_TOPIC_MISSING"],
      `ok group ${topic} may be used`,
      ...[`ok reached ${kafka.bootstrap}`, "warning KAFKA_TOPIC_MISSING"],
      ...[`ok reached ${kafka.bootstrap}`, `ok topic ${topic}.new is not there, and may be made`],
      ...[`ok reached ${kafka.bootstrap}`, `ok topic ${topic} has 2 partitions, and would get 4`],
      ...[
        `ok reached ${kafka.bootstrap}`,
        "ok topics are named by the data (${ident}), so none is looked at",
      ],
    ]);
    expect([checked.ok, checked.code]).toEqual([true, 0]);
    // It has only asked.
    const topics = await peer.listTopics();
    expect(topics).not.toContain(`${topic}.new`);
    expect(topics).not.toContain(`${topic}.none`);
    await peer.close();
    const never = { ...output, topic: `${topic}.never`, createTopics: false };
    const wrong = await check([], [never]);
    expect(said(wrong).at(-1)).toBe("error KAFKA_TOPIC_MISSING");
    expect([wrong.ok, wrong.code]).toEqual([false, 1]);
  },
);

services.test("--check asks Elasticsearch and MySQL too, and --offline nobody", async (all) => {
  const { elasticsearch, mysql, kafka } = all;
  const { host, port, user, password } = mysql;
  const { client, db } = await freshDatabase(mysql, "check");
  await client.query(`CREATE TABLE ${db}.orders (id INT PRIMARY KEY)`);
  const inputOf = (name: string) => ({
    ...{ plugin: "MysqlbinlogInput", tls: "disable" },
    dsn: `mysql://${user}:${password}@${host}:${port}/${name}`,
  });
  const output = { plugin: "EsOutput", nodes: [elasticsearch.url] };
  const inputs = [inputOf(db), inputOf(`${db}_typo`)];
  const checked = await check(inputs, [{ ...output, index: newTopicName("check") }]);
  await client.query(`DROP DATABASE ${db}`);
  await client.close();
  const reached = [
    `ok reached ${host}:${port}, logged in`,
    expect.stringMatching(/^ok its binlog can be read, \d+ files? of it$/),
  ];
  expect(said(checked)).toEqual([
    ...[...reached, expect.stringMatching(/^ok 1 of the \d+ tables that .* sees are to be read$/)],
    ...[...reached, "warning MYSQL_TABLE_MISSING"],
    expect.stringContaining("ok reached Elasticsearch at "),
    expect.stringMatching(/^ok index .* is not there, and may be made$/),
  ]);
  expect(checked.code).toBe(0);
  // A broker of Kafka is no Elasticsearch, and nobody is at port 1.
  const wrongs = await check(
    [{ plugin: "KafkaInput", brokers: ["127.0.0.1:1"], topics: ["t"] }],
    [
      { ...output, nodes: ["http://127.0.0.1:1"] },
      { ...output, nodes: [`http://${kafka.bootstrap}`] },
    ],
  );
  expect(said(wrongs)).toEqual([
    "error KAFKA_UNREACHABLE",
    "error ES_UNREACHABLE",
    expect.stringMatching(/^error ES_/),
  ]);
  expect(wrongs.code).toBe(1);
  const file = fileOf([{ plugin: "KafkaInput", brokers: ["127.0.0.1:1"], topics: ["t"] }], []);
  const online = await dbusd(file, "--check");
  expect(online.out).toContain(
    `${file}: it is well formed, but its servers are not ready for it\n`,
  );
  expect(online.out).toMatch(
    /input in0: error: broker 127\.0\.0\.1:1: .* \[KAFKA_UNREACHABLE\]\n {4}check the host/,
  );
  const offline = await dbusd(file, "--check", "--offline");
  expect([offline.code, offline.err]).toEqual([0, ""]);
  expect(offline.out).toStartWith(`${file}: it can be used\nmemory: `);
  expect((await dbusd(file, "--offline")).code).toBe(2);
});

services.test("--check of a server that never answers ends in time", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  const { port } = silent.address() as { port: number };
  const checked = await check(
    [{ plugin: "KafkaInput", brokers: [`127.0.0.1:${port}`], topics: ["t"] }],
    [],
  );
  silent.close();
  expect(said(checked)).toEqual(["error KAFKA_UNREACHABLE"]);
});

secured.test(
  "--check names a wrong password and a missing right, and shows no secret",
  async (kafka) => {
    const login = (password: string) => ({
      ...{ plugin: "KafkaInput", brokers: [kafka.sasl] },
      sasl: { mechanism: "scram-sha-256", username: "alice", password },
    });
    const guess = "guess-41ab77";
    const wrong = await check([{ ...login(guess), topics: ["allowed-1"] }], []);
    expect(said(wrong)).toEqual(["error KAFKA_AUTH"]);
    expect(JSON.stringify(wrong)).toContain("alice");
    expect(JSON.stringify(wrong)).not.toContain(guess);
    const peer = await kafkaPeer(kafka.bootstrap);
    for (const topic of ["allowed-check", "forbidden-check"]) await peer.createTopic(topic, 1);
    await peer.close();
    const right = login(kafka.password);
    const denied = await check(
      [
        { ...right, topics: ["allowed-check"], groupId: "allowed" },
        { ...right, topics: ["forbidden-check"] },
        { ...right, topics: ["allowed-check"], groupId: "forbidden" },
      ],
      [
        { ...right, plugin: "KafkaOutput", topic: "allowed-check" },
        { ...right, plugin: "KafkaOutput", topic: "forbidden-new" },
      ],
    );
    const reached = `ok reached ${kafka.sasl}, logged in as alice`;
    const there = "ok topic allowed-check has 1 partition";
    expect(said(denied)).toEqual([
      ...[reached, there, "ok group allowed may be used"],
      ...[reached, "error KAFKA_TOPIC_DENIED"],
      ...[reached, there, "error KAFKA_GROUP_DENIED"],
      ...[reached, there],
      ...[reached, "error KAFKA_TOPIC_DENIED"],
    ]);
  },
);

import { type ElasticsearchService, startElasticsearch } from "./elasticsearch.ts";
import { type KafkaService, startKafka } from "./kafka.ts";
import { type MysqlAddress, type MysqlFlavor, type MysqlService, startMysql } from "./mysql.ts";

/** Where a Kafka cluster listens: `host:port,host:port`. */
export type KafkaAddress = Pick<KafkaService, "bootstrap">;

/** Where an Elasticsearch node listens: `http://127.0.0.1:port`. */
export type ElasticsearchAddress = Pick<ElasticsearchService, "url">;

const mysqls = new Map<MysqlFlavor, Promise<MysqlService>>();
let kafka: Promise<KafkaService> | undefined;
let elasticsearch: Promise<ElasticsearchService> | undefined;

/**
 * A MySQL or MariaDB server that every test of the run shares, so a test makes databases of its
 * own. It is the one named by DBUS_TEST_MYSQL or DBUS_TEST_MARIADB (host:port, root without a
 * password), or the test runner's, or else one that ends with this process.
 */
export async function sharedMysql(flavor: MysqlFlavor = "mysql"): Promise<MysqlAddress> {
  const given = await givenAddress(flavor);
  if (given !== undefined) {
    const colon = given.lastIndexOf(":");
    const port = Number(given.slice(colon + 1));
    return { host: given.slice(0, colon), port, user: "root", password: "", flavor };
  }
  const started = mysqls.get(flavor) ?? startMysql({ flavor });
  mysqls.set(flavor, started);
  return started;
}

/** A Kafka broker shared in the same way: DBUS_TEST_KAFKA, the runner's, or this process's. */
export async function sharedKafka(): Promise<KafkaAddress> {
  const given = await givenAddress("kafka");
  if (given !== undefined) return { bootstrap: given };
  kafka ??= startKafka();
  return kafka;
}

/** A node shared in the same way: DBUS_TEST_ELASTICSEARCH (a URL), the runner's, or this process's. */
export async function sharedElasticsearch(): Promise<ElasticsearchAddress> {
  const given = await givenAddress("elasticsearch");
  if (given !== undefined) return { url: given };
  elasticsearch ??= startElasticsearch();
  return elasticsearch;
}

/**
 * The test runner starts a shared server when the first test asks for it: DBUS_TEST_SERVICES is
 * the address where it is asked, and it answers with host:port (a URL for Elasticsearch), or with 503 and the reason.
 */
async function givenAddress(
  name: "mysql" | "mariadb" | "kafka" | "elasticsearch",
): Promise<string | undefined> {
  const named = process.env[`DBUS_TEST_${name.toUpperCase()}`];
  if (named) return named;
  const runner = process.env.DBUS_TEST_SERVICES;
  if (!runner) return undefined;
  // A first start downloads, which may take longer than fetch waits unless told.
  const answer = await fetch(new URL(name, runner), { signal: AbortSignal.timeout(900_000) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

import { describe, expect } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type MysqlService, sharedKafka, startMysql, useStarted } from "../services/index.ts";
import { runDir } from "../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { waitFor } from "../support/index.ts";
import { readTopic } from "../support/kafka-read.ts";
import { clientAt, tableOn } from "../support/mysql-client.ts";
import { runInput } from "../support/mysql-input.ts";

type Pair = { readonly source: MysqlService; readonly replica: MysqlService };

async function pairOf(flavor: "mysql" | "mariadb"): Promise<Pair> {
  // MySQL logs what it replicates by default.
  const args = flavor === "mariadb" ? ["--log-slave-updates=ON"] : [];
  const [source, replica] = await Promise.all([
    startMysql({ flavor, args }),
    startMysql({ flavor, args }),
  ]);
  const client = await clientAt(replica);
  const { host, port } = source;
  if (flavor === "mysql") {
    await client.query(
      `CHANGE REPLICATION SOURCE TO SOURCE_HOST='${host}', SOURCE_PORT=${port}, SOURCE_USER='root',
        SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1`,
    );
    await client.query("START REPLICA");
  } else {
    await client.query(
      `CHANGE MASTER TO MASTER_HOST='${host}', MASTER_PORT=${port}, MASTER_USER='root',
        MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1`,
    );
    await client.query("START SLAVE");
  }
  client.close();
  return { source, replica };
}

/** A source and its replica, of each kind, for this file only: the source is killed. */
const own = await useStarted("two of mysql and of mariadb, and kafka", async () => {
  const [mysql, mariadb] = await Promise.all([pairOf("mysql"), pairOf("mariadb")]);
  return { mysql, mariadb, kafka: await sharedKafka() };
});

/** An address that stands for whichever server is the primary. */
async function switchBoard(first: number) {
  let to = first;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, "127.0.0.1");
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    switchTo(target: number) {
      to = target;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A dbusd that writes the table `a` of this database to Kafka, once each row; it keeps no checkpoint. */
async function onceInto(bootstrap: string, port: number, db: string, gtid: string) {
  const dir = await runDir("failover");
  const config = {
    bus: { checkpointIntervalMs: 60_000 },
    state: { dir: join(dir, "state") },
    inputs: [
      {
        ...{ name: "in", plugin: "MysqlbinlogInput", databases: [db], start: { gtid } },
        ...{ host: "127.0.0.1", port, user: "root", password: "" },
      },
    ],
    outputs: [
      {
        ...{ name: "to", plugin: "KafkaOutput", match: "*", brokers: bootstrap.split(",") },
        ...{ topic: db, createTopics: { partitions: 1 } },
        ...{ exactlyOnce: { transactionalIdPrefix: db }, batch: { lingerMs: 20 } },
      },
    ],
  };
  let daemon: DaemonProcess | undefined;
  const ids = async () =>
    (await readTopic(bootstrap, db)).map(({ key }) => JSON.parse(`${key}`).id as number);
  return {
    async start() {
      daemon = await startDaemonProcess({ dir, config });
    },
    async kill() {
      daemon?.kill("SIGKILL");
      await daemon?.exited;
    },
    stop: async () => daemon?.stop(),
    ids,
    async reach(count: number) {
      const there = async () => (await ids()).length >= count;
      await waitFor(there, { what: `${count} rows in Kafka`, timeoutMs: 30_000 });
    },
  };
}

async function failsOver({ source, replica }: Pair, bootstrap: string): Promise<void> {
  const { client, db } = await tableOn(source);
  const onReplica = await clientAt(replica);
  const board = await switchBoard(source.port);
  const at = { host: "127.0.0.1", port: board.port };
  const input = await runInput(at, { databases: [db], onPositionLost: "latest" });
  await input.streaming();
  const variable = source.flavor === "mysql" ? "gtid_executed" : "gtid_current_pos";
  const [done] = await client.query(`SELECT @@GLOBAL.${variable} AS gtid`);
  const once = await onceInto(bootstrap, board.port, db, String(done?.gtid));
  await once.start();
  for (let n = 0; n < 5; n++) await client.query(`INSERT INTO ${db}.a VALUES (${n})`);
  await input.rowsReach(5);
  const arrived = async (count: number) => {
    const [row] = await onReplica.query(`SELECT COUNT(*) AS n FROM ${db}.a`);
    return Number(row?.n) === count;
  };
  await waitFor(() => arrived(5), { what: "the replica to have it all" });
  await once.reach(5);
  await once.kill();
  // Numbers of files and offsets differ: only the GTIDs say where to go on.
  await onReplica.query("FLUSH BINARY LOGS");
  source.kill("SIGKILL");
  board.switchTo(replica.port);
  await onReplica.query(replica.flavor === "mysql" ? "STOP REPLICA" : "STOP SLAVE");
  for (let n = 5; n < 8; n++) await onReplica.query(`INSERT INTO ${db}.a VALUES (${n})`);
  const rows = await input.rowsReach(8);
  expect(rows.map((row) => row.after?.[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(input.gaps).toEqual([]);
  await input.stop();
  await once.start();
  await once.reach(8);
  expect(await once.stop()).toBe(0);
  expect(await once.ids()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  onReplica.close();
  client.close();
  board.close();
}

describe("failover to a replica goes on by GTID, without gap or repetition, and with exactlyOnce also for a dbusd that was killed before", () => {
  own.test("mysql", ({ mysql, kafka }) => failsOver(mysql, kafka.bootstrap));
  own.test("mariadb", ({ mariadb, kafka }) => failsOver(mariadb, kafka.bootstrap));
});

import { expect } from "bun:test";
import { join } from "node:path";
import type { Stat } from "#src/api/port.ts";
import type { Checkpoint } from "#src/checkpoint/store.ts";
import { useServices } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { dbusdCommand, startCommand } from "../../support/command.ts";
import { type DaemonProcess, startDaemonProcess } from "../../support/daemon-process.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { holdsFor, testSeed, waitFor } from "../../support/index.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { freshDatabase } from "../../support/mysql-client.ts";

const services = await useServices("mysql", "kafka");

/** Three heartbeats, a request's time and more; the servers' own patience with us is longer. */
const pauseMs = 3_500;

const get = async <T>({ adminUrl }: DaemonProcess, path: string): Promise<T> =>
  (await fetch(`${adminUrl}/api/v1/${path}`)).json() as Promise<T>;

const shopOf = async (daemon: DaemonProcess) => {
  const all = await get<readonly Checkpoint[]>(daemon, "checkpoints");
  return all.find(({ input }) => input === "shop");
};

for (const connections of ["left open", "cut"] as const) {
  services.test(
    `fault 74: stopped for longer than a session, with connections ${connections}, and let go on: nothing is lost`,
    async ({ mysql, kafka: { bootstrap } }) => {
      const dir = await runDir("stopped");
      const { client, db } = await freshDatabase(mysql, "paused");
      await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY AUTO_INCREMENT)`);
      const toMysql = await faultProxy(mysql, { seed: testSeed("stopped") });
      const port = Number(bootstrap.slice(bootstrap.lastIndexOf(":") + 1));
      const toKafka = await faultProxy({ port }, { protocol: "kafka", seed: toMysql.seed });
      const topic = `stopped-${crypto.randomUUID()}`;
      const login = { user: "root", password: "", tls: "disable" };
      const config = {
        bus: { checkpointIntervalMs: 50 },
        state: { dir: join(dir, "state") },
        inputs: [
          {
            ...{ name: "shop", plugin: "MysqlbinlogInput", host: mysql.host, port: toMysql.port },
            ...{ databases: [db], heartbeatMs: 300, ...login },
          },
        ],
        outputs: [
          {
            ...{ name: "kafka", plugin: "KafkaOutput", match: "shop", topic },
            ...{ brokers: [`127.0.0.1:${toKafka.port}`], requestTimeoutMs: 1_000 },
            batch: { lingerMs: 5 },
          },
        ],
      };
      const daemon = await startDaemonProcess({ dir, config });
      const written = async () => (await get<Stat>(daemon, "stat")).outputs[0]?.packets ?? 0;
      let inserted = 0;
      const insert = async (rows: number) => {
        for (let n = 0; n < rows; n++) {
          inserted++;
          await client.query(`INSERT INTO ${db}.t VALUES (${inserted})`);
        }
      };
      try {
        await daemon.ready();
        await insert(50);
        await waitFor(async () => (await written()) === inserted, { what: "rows before" });
        await waitFor(async () => (await shopOf(daemon)) !== undefined, { what: "a checkpoint" });
        // Some are on their way when it stops.
        await insert(20);
        daemon.kill("SIGSTOP");
        if (connections === "cut") {
          toMysql.cut();
          toKafka.cut();
        }
        await insert(30);
        // Whoever takes the folder of a process that only sleeps would make two of it.
        const second = startCommand([...dbusdCommand, join(dir, "dbus.yaml")], { cwd: dir });
        expect(await second.ended()).toBe(3);
        expect(second.err()).toContain(`STATE_LOCKED`);
        expect(second.err()).toContain(`pid ${daemon.pid}`);
        await holdsFor(() => daemon.running, { ms: pauseMs, intervalMs: 100, what: "it sleeps" });
        daemon.kill("SIGCONT");
        await insert(20);
        await waitFor(async () => (await written()) >= inserted, {
          what: "every row after it goes on",
          timeoutMs: 20_000,
        });
        const { inputs, gaps, deadLetters } = await get<Stat>(daemon, "stat");
        expect([inputs[0]?.inFlight, gaps, deadLetters]).toEqual([0, 0, 0]);
        expect(await daemon.stop()).toBe(0);
      } finally {
        daemon.kill("SIGKILL");
        await Promise.all([toMysql.close(), toKafka.close()]);
        client.close();
      }
      const ids = (await readTopic(bootstrap, topic)).map(({ value }) =>
        Number(/\[\[?(\d+)\]/.exec(`${value}`)?.[1]),
      );
      expect(ids).toEqual(Array.from({ length: inserted }, (_, n) => n + 1));
    },
    60_000,
  );
}

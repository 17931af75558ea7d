import { afterAll, expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ActorStatus, Stat } from "#src/api/port.ts";
import type { Checkpoint } from "#src/checkpoint/store.ts";
import { useServices } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../../support/daemon-process.ts";
import { type FaultProxy, faultProxy } from "../../support/fault-proxy.ts";
import { testSeed, waitFor } from "../../support/index.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { type WallClock, wallClock } from "../../support/wall-clock.ts";

/*
 * The wall clock of dbusd alone is moved, by a library that stands before libc; the servers and the
 * test keep theirs.
 */
const services = await useServices("mysql", "kafka");

const hour = 3_600_000;
/** What is said whatever the clock does. */
const expected = /^insecure: |^the binlog has no column names|^a write failed; it is tried again$/;

type Place = { readonly daemon: DaemonProcess; readonly dir: string };

async function get<T>({ daemon }: Place, path: string): Promise<T> {
  const asked = performance.now();
  const answer = (await (await fetch(`${daemon.adminUrl}/api/v1/${path}`)).json()) as T;
  expect(performance.now() - asked).toBeLessThan(5_000);
  return answer;
}

const linesIn = (file: string): { pos: number }[] =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    : [];

const logOf = async ({ daemon }: Place) =>
  (await daemon.log())
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { time: string; level: string; message: string });

/** Counts of what must go on after every jump. */
async function progress(at: Place) {
  const { inputs, outputs, uptimeMs } = await get<Stat>(at, "stat");
  const packets = (name: string) => outputs.find((one) => one.name === name)?.packets ?? 0;
  const checkpoints = await get<readonly Checkpoint[]>(at, "checkpoints");
  const rows = checkpoints.find(({ input }) => input === "rows");
  return {
    ...{ file: packets("file"), wavering: packets("wavering"), kafka: packets("kafka"), uptimeMs },
    retried: outputs.find((one) => one.name === "wavering")?.retried ?? 0,
    checkpoint: Number(rows?.position ?? 0),
    committedAt: rows?.committedAt ?? 0,
    lags: inputs.map(({ lagSeconds }) => lagSeconds ?? 0),
  };
}

/** Everything has moved on: rows, retries, lingering batches, checkpoints, rows of MySQL. */
async function expectProgress(at: Place, insert: () => Promise<void>): Promise<void> {
  const before = await progress(at);
  await insert();
  await waitFor(
    async () => {
      const now = await progress(at);
      for (const lag of now.lags) expect(lag).toBeGreaterThanOrEqual(0);
      return (
        now.file > before.file + 100 &&
        now.wavering > before.wavering + 100 &&
        now.retried > before.retried &&
        now.kafka > before.kafka &&
        now.checkpoint > before.checkpoint + 100 &&
        now.uptimeMs > before.uptimeMs + 200
      );
    },
    { what: "everything to move on", timeoutMs: 15_000 },
  );
}

const flat = (actor: ActorStatus): ActorStatus[] => [actor, ...actor.children.flatMap(flat)];

services.test(
  "fault 97: a wall clock that jumps by an hour either way, or by a second, changes nothing but timestamps",
  async ({ mysql, kafka: { bootstrap } }) => {
    const dir = await runDir("clock-jumps");
    const clock = await wallClock(dir);
    const { client, db } = await freshDatabase(mysql, "clock");
    afterAll(() => client.close());
    await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY AUTO_INCREMENT, body TEXT)`);
    const toMysql = await faultProxy(mysql, { seed: testSeed("clock jumps") });
    const port = Number(bootstrap.slice(bootstrap.lastIndexOf(":") + 1));
    const toKafka = await faultProxy({ port }, { protocol: "kafka", seed: toMysql.seed });
    // So that at each jump a request is on its way.
    toKafka.add({ type: "latency", ms: 60 });
    const topic = `clock-${crypto.randomUUID()}`;
    const file = join(dir, "rows.ndjson");
    const login = { user: "root", password: "", tls: "disable" };
    const config = {
      bus: { checkpointIntervalMs: 50 },
      state: { dir: join(dir, "state") },
      inputs: [
        { name: "rows", plugin: "MockInput", payload: "rows", rate: 1_000 },
        {
          ...{ name: "shop", plugin: "MysqlbinlogInput", host: mysql.host, port: toMysql.port },
          ...{ databases: [db], heartbeatMs: 300, ...login },
        },
      ],
      outputs: [
        { name: "file", plugin: "StreamOutput", match: "rows", file, batch: { lingerMs: 50 } },
        {
          ...{ name: "wavering", plugin: "MockOutput", match: "rows", batch: { lingerMs: 20 } },
          ...{ failRate: 0.003, retryAfterMs: 20 },
        },
        {
          ...{ name: "kafka", plugin: "KafkaOutput", match: ["shop", "rows"], topic },
          ...{ brokers: [`127.0.0.1:${toKafka.port}`], requestTimeoutMs: 2_000 },
          batch: { lingerMs: 20 },
        },
      ],
    };
    const env = { ...clock.env, TZ: "Europe/Berlin" };
    const daemon = await startDaemonProcess({ dir, config, env });
    const at = { daemon, dir };
    let inserted = 0;
    const insert = async () => {
      inserted++;
      await client.query(`INSERT INTO ${db}.t (body) VALUES ('x')`);
    };
    try {
      await daemon.ready();
      await expectProgress(at, insert);
      for (const offset of [hour, -hour, 0, -1_000, 0]) {
        clock.set(offset);
        await expectProgress(at, insert);
        // The timestamps tell that the clock has really moved.
        const { committedAt } = await progress(at);
        expect(Math.abs(committedAt - Date.now() - offset)).toBeLessThan(60_000);
      }
      const restarts = flat(await get<ActorStatus>(at, "supervisor")).map((one) => one.restarts);
      expect(restarts.every((count) => count === 0)).toBe(true);
      const { outputs, gaps, deadLetters } = await get<Stat>(at, "stat");
      expect([outputs.find(({ name }) => name === "kafka")?.retried, gaps, deadLetters]).toEqual([
        ...[0, 0, 0],
      ]);
      expect(await daemon.stop()).toBe(0);
    } finally {
      daemon.kill("SIGKILL");
      await Promise.all([toMysql.close(), toKafka.close()]);
    }
    const rows = linesIn(file).map(({ pos }) => pos);
    expect(rows).toEqual(Array.from({ length: rows.length }, (_, n) => n));
    const records = await readTopic(bootstrap, topic);
    const ofShop = records.filter(({ value }) => `${value}`.includes(db));
    expect([ofShop.length, records.length]).toEqual([inserted, inserted + rows.length]);
    // Nothing was retried but what wavers on purpose.
    const complaints = (await logOf(at))
      .filter(({ level }) => level === "warn" || level === "error")
      .map(({ message }) => message)
      .filter((message) => !expected.test(message));
    expect(complaints).toEqual([]);
  },
  90_000,
);

async function lostAnswer(proxy: FaultProxy, clock: WallClock, at: Place, offset: number) {
  const swallowed = proxy.add({ type: "swallow_reply", to: { apiKey: 0 }, cut: false });
  await waitFor(() => swallowed.acted === 1, { what: "a lost answer" });
  clock.set(offset);
  const before = await progress(at);
  await waitFor(async () => (await progress(at)).kafka > before.kafka + 100, {
    what: `rows after a lost answer at ${offset} ms`,
    timeoutMs: 15_000,
  });
  swallowed.remove();
}

services.test(
  "fault 97: an answer that Kafka never sends is given up in time though the clock went back",
  async ({ kafka: { bootstrap } }) => {
    const dir = await runDir("clock-timeout");
    const clock = await wallClock(dir);
    const port = Number(bootstrap.slice(bootstrap.lastIndexOf(":") + 1));
    const proxy = await faultProxy(
      { port },
      { protocol: "kafka", seed: testSeed("clock timeout") },
    );
    const topic = `clock-${crypto.randomUUID()}`;
    const kafka = { plugin: "KafkaOutput", brokers: [`127.0.0.1:${proxy.port}`], topic };
    const config = {
      state: { dir: join(dir, "state") },
      inputs: [{ name: "rows", plugin: "MockInput", payload: "rows", rate: 500 }],
      outputs: [
        {
          name: "kafka",
          match: "rows",
          requestTimeoutMs: 1_000,
          ...kafka,
          batch: { lingerMs: 20 },
        },
      ],
    };
    const daemon = await startDaemonProcess({ dir, config, env: clock.env });
    const at = { daemon, dir };
    try {
      await daemon.ready();
      await waitFor(async () => (await progress(at)).kafka > 100, { what: "rows in Kafka" });
      await lostAnswer(proxy, clock, at, -hour);
      await lostAnswer(proxy, clock, at, hour);
      expect(await daemon.stop()).toBe(0);
    } finally {
      daemon.kill("SIGKILL");
      await proxy.close();
    }
    const numbers = (await readTopic(bootstrap, topic)).map(
      ({ value }) => (JSON.parse(`${value}`) as { pos: number }).pos,
    );
    expect(new Set(numbers).size).toBe(numbers.length);
  },
  90_000,
);

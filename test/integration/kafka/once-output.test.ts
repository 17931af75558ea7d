import { expect } from "bun:test";
import { join } from "node:path";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { toDbusError } from "#src/errors.ts";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { allEnded } from "../../contract/kafka-transactor.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { codeOf } from "../../support/code-of.ts";
import { type DaemonProcess, startDaemonProcess } from "../../support/daemon-process.ts";
import { type DrivenOutput, driveOutput } from "../../support/drive-output.ts";
import { type FaultProxy, faultProxy } from "../../support/fault-proxy.ts";
import { seededRandom, testSeed, waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { notePacket, noteTable } from "../../support/row-packets.ts";

const services = await useStarted("kafka behind a proxy for exactly once", async () => {
  let port = 0;
  const proxy = await faultProxy(() => ({ port }), { seed: 35, protocol: "kafka" });
  const kafka = await startKafka();
  port = kafka.brokers[0]?.port ?? 0;
  return { proxy, bootstrap: kafka.bootstrap };
});

type Around = {
  /** An output that writes under the transactional id of this test. */
  open(): Promise<DrivenOutput>;
  /** The ids of the rows that a reader of what is committed has, in order. */
  read(): Promise<number[]>;
  /** Rows with these ids, in the order of their positions. */
  rows(from: number, to: number): ReturnType<typeof notePacket>[];
  readonly topic: string;
};

const endTxn = 26;
const note = (id: number) => (id === 7 ? "x".repeat(20_000) : `note ${id}`);

async function withOutput(
  { proxy, bootstrap }: { readonly proxy: FaultProxy; readonly bootstrap: string },
  use: (around: Around) => Promise<void>,
  own: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const table = noteTable(`db${crypto.randomUUID().slice(0, 8)}`, "t");
  const topic = `cdc.${table.db}.t`;
  const opened: DrivenOutput[] = [];
  const peer = await kafkaPeer(bootstrap);
  await peer.createTopic(topic, 1).catch(() => {});
  await peer.close();
  // A broker that has just started takes a moment to say who leads a topic.
  await waitFor(() => allEnded({ driver: "kafkajs", bootstrap }, topic, 1), { what: topic });
  const config = {
    ...{ brokers: [`127.0.0.1:${proxy.port}`], requestTimeoutMs: 5_000, ...own },
    exactlyOnce: { transactionalIdPrefix: table.db, timeoutMs: 20_000 },
  };
  try {
    await use({
      topic,
      async open() {
        const output = await driveOutput(kafkaOutput, config);
        opened.push(output);
        return output;
      },
      read: async () => (await readEnded(bootstrap, topic)).map(({ key }) => idIn(key)),
      rows: (from, to) =>
        Array.from({ length: to - from }, (_, i) => ({
          ...notePacket(table, "I", { after: [from + i, note(from + i)] }, i),
          position: from + i,
        })),
    });
  } finally {
    for (const output of opened) await output.close();
  }
}

/** Every record of the topic, once no transaction is open. */
async function readEnded(bootstrap: string, topic: string) {
  const ended = () => allEnded({ driver: "kafkajs", bootstrap }, topic, 1);
  await waitFor(ended, { what: `transactions on ${topic} to end`, timeoutMs: 30_000 });
  return readTopic(bootstrap, topic);
}

const idIn = (key: Buffer | null): number => JSON.parse(`${key}`).id;
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

services.test("what is given again after a restart is left out, what is behind it is not", (all) =>
  withOutput(all, async ({ open, rows, read }) => {
    const first = await open();
    await first.deliver(rows(10, 110), { batch: 30 });
    await first.close();
    const second = await open();
    await second.deliver(rows(50, 200), { batch: 40 });
    await second.deliver(rows(100, 210));
    expect(await read()).toEqual(numbers(10, 210));
  }),
);

services.test(
  "a row that is refused is named, and those around it are there once, in order",
  (all) =>
    withOutput(
      all,
      async ({ open, rows, read }) => {
        const output = await open();
        const { refused } = await output.deliver(rows(0, 20));
        expect([...refused].map(([i, error]) => [i, toDbusError(error).code])).toEqual([
          [7, "KAFKA_RECORD_TOO_LARGE"],
        ]);
        expect(await read()).toEqual(numbers(0, 20).filter((id) => id !== 7));
      },
      { recordBytesMax: 10_000 },
    ),
);

services.test("commits whose answers are lost at random write nothing twice (fault 35)", (all) =>
  withOutput(all, async ({ open, rows, read }) => {
    const random = seededRandom(testSeed("lost commits"));
    const output = await open();
    let lost = 0;
    for (let from = 0; from < 400; from += 20) {
      const nth = random.int(1, 2);
      const swallowed = all.proxy.add({
        type: "swallow_reply",
        to: { apiKey: random.pick([endTxn, endTxn, 0, 22, 24]) },
        nth,
      });
      await output.deliver(rows(from, from + 20), { batch: 10 });
      lost += swallowed.acted;
      swallowed.remove();
    }
    expect(lost).toBeGreaterThan(5);
    expect(await read()).toEqual(numbers(0, 400));
  }),
);

services.test(
  "of two owners of one id the former writes nothing more, however often it tries (fault 34)",
  (all) =>
    withOutput(all, async ({ open, rows, read }) => {
      const former = await open();
      await former.deliver(rows(0, 10));
      const owner = await open();
      await owner.deliver(rows(5, 20));
      for (let i = 0; i < 3; i++) {
        expect(await codeOf(former.write(rows(10, 30)))).toBe("KAFKA_FENCED");
      }
      await owner.deliver(rows(15, 40));
      expect(await read()).toEqual(numbers(0, 40));
    }),
);

type Bus = {
  readonly topic: string;
  start(name: string, own?: Readonly<Record<string, unknown>>): Promise<DaemonProcess>;
};

/** dbusd processes of one configuration, each name with a state of its own. */
async function withDaemons(
  bootstrap: string,
  input: Readonly<Record<string, unknown>>,
  use: (bus: Bus) => Promise<void>,
): Promise<void> {
  const topic = newTopicName("once");
  const daemons: DaemonProcess[] = [];
  const dirs = new Map<string, Promise<string>>();
  const peer = await kafkaPeer(bootstrap);
  await peer.createTopic(topic, 1).catch(() => {});
  await peer.close();
  // A broker that has just started takes a moment to say who leads a topic.
  await waitFor(() => allEnded({ driver: "kafkajs", bootstrap }, topic, 1), { what: topic });
  try {
    await use({
      topic,
      async start(name, { stopDeadlineMs = 1_000, ...own } = {}) {
        const known = dirs.get(name) ?? runDir(`once-${name}`);
        dirs.set(name, known);
        const dir = await known;
        const output = { name: "to", plugin: "KafkaOutput", match: "*", brokers: [bootstrap] };
        const exactlyOnce = { transactionalIdPrefix: topic };
        const config = {
          bus: { stopDeadlineMs },
          state: { dir: join(dir, "state") },
          inputs: [{ name: "mock", plugin: "MockInput", size: 10, ...input }],
          outputs: [
            { ...output, topic, exactlyOnce, batch: { countMax: 50, lingerMs: 20 }, ...own },
          ],
        };
        const daemon = await startDaemonProcess({ dir, config });
        daemons.push(daemon);
        await daemon.ready();
        return daemon;
      },
    });
  } finally {
    for (const daemon of daemons) if (daemon.running) daemon.kill("SIGKILL");
  }
}

/** The positions of what a reader has, as the header names them. */
async function positionsIn(bootstrap: string, topic: string): Promise<number[]> {
  const records = await readTopic(bootstrap, topic);
  return records.map(({ headers }) => Number(`${headers?.["dbus-id"]}`.split(":")[1]));
}

services.test(
  "a second dbusd of the same ids takes over, and the first stops with KAFKA_FENCED (fault 34)",
  ({ bootstrap }) =>
    withDaemons(bootstrap, { rate: 500 }, async ({ topic, start }) => {
      const count = async () => (await positionsIn(bootstrap, topic)).length;
      const former = await start("former");
      await waitFor(async () => (await count()) > 200, { what: "the first to write" });
      const owner = await start("owner");
      const fenced = async () => (await former.log()).includes("KAFKA_FENCED");
      await waitFor(fenced, { what: "the first to be fenced", timeoutMs: 30_000 });
      const then = await count();
      await waitFor(async () => (await count()) > then + 500, {
        what: "the second to write on",
        timeoutMs: 30_000,
      });
      expect((await owner.log()).includes("KAFKA_FENCED")).toBe(false);
      expect(await former.stop()).toBe(0);
      expect(await owner.stop()).toBe(0);
      await readEnded(bootstrap, topic);
      const found = await positionsIn(bootstrap, topic);
      expect(found).toEqual(numbers(1, found.length + 1));
    }),
  90_000,
);

services.test(
  "a checkpoint that an operator resets sends everything again, and only that",
  ({ bootstrap }) =>
    withDaemons(bootstrap, { count: 300 }, async ({ topic, start }) => {
      const dbusd = await start("reset");
      const is = (count: number) => async () =>
        (await positionsIn(bootstrap, topic)).length === count;
      await waitFor(is(300), { what: "all to be written" });
      const url = `${dbusd.adminUrl}/api/v1/checkpoints/mock/mock/0`;
      const headers = { "content-type": "application/json" };
      const answer = await fetch(url, { method: "DELETE", headers, body: "{}" });
      expect([answer.status, await answer.json()]).toEqual([200, { done: true }]);
      await waitFor(is(600), { what: "all to be written again" });
      expect(await dbusd.stop()).toBe(0);
      await readEnded(bootstrap, topic);
      expect(await positionsIn(bootstrap, topic)).toEqual([...numbers(1, 301), ...numbers(1, 301)]);
    }),
);

services.test(
  "switched on after a stop it repeats nothing of what was written without it, killed or not",
  ({ bootstrap }) =>
    withDaemons(bootstrap, { rate: 500 }, async ({ topic, start }) => {
      const count = async () => (await positionsIn(bootstrap, topic)).length;
      const goesOn = async () => {
        const enough = (await count()) + 200;
        const what = "more to be written";
        await waitFor(async () => (await count()) >= enough, { what, timeoutMs: 30_000 });
      };
      const without = await start("switched", { exactlyOnce: false, stopDeadlineMs: 15_000 });
      await goesOn();
      expect(await without.stop()).toBe(0);
      const killed = await start("switched");
      await goesOn();
      killed.kill("SIGKILL");
      await killed.exited;
      const last = await start("switched");
      await goesOn();
      expect(await last.stop()).toBe(0);
      await readEnded(bootstrap, topic);
      const found = await positionsIn(bootstrap, topic);
      expect(found).toEqual(numbers(1, found.length + 1));
    }),
  90_000,
);

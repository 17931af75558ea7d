import { expect } from "bun:test";
import type { OpenConnection } from "#src/clients/kafka/broker-connection.ts";
import { createCluster } from "#src/clients/kafka/cluster.ts";
import type { KafkaDriver } from "#src/clients/kafka/drivers.ts";
import { createKafkaConsumer, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import type { KafkaTransactor, PartitionBatch } from "#src/clients/kafka/port.ts";
import { createBatchWriter } from "#src/clients/kafka/producer/batch-writer.ts";
import { produceJob } from "#src/clients/kafka/producer/produce-job.ts";
import { createTransactionCoordinator } from "#src/clients/kafka/producer/transaction-coordinator.ts";
import { createTransactor } from "#src/clients/kafka/producer/transactor.ts";
import { requestTransactionalId } from "#src/clients/kafka/wire/init-producer-id.ts";
import { addPartitions } from "#src/clients/kafka/wire/transactions.ts";
import { codeOf } from "../support/code-of.ts";
import { waitFor } from "../support/index.ts";
import { kafkaPeer } from "../support/kafka-peer.ts";
import { consumerOptions } from "./kafka-consumer.ts";
import { newTopicName, producerOptions, recordOf } from "./kafka-producer.ts";

export type TransactorContract = {
  readonly driver: KafkaDriver;
  readonly bootstrap: string;
  /** Where the transactors connect, if that is elsewhere. */
  readonly connectTo?: string;
};

type Around = {
  readonly topic: string;
  /** One under the transactional id of this test, with its own connections. */
  other(own?: { readonly timeoutMs?: number; readonly open?: OpenConnection }): KafkaTransactor;
  /** A process that writes to partition 0 under the id and ends before it commits. */
  leaveOpen(timeoutMs?: number): Promise<void>;
  /**
   * What a reader gets of all that there is now, partition by partition; `ended` says to give
   * nothing where a transaction is open.
   */
  read(uncommitted?: boolean, ended?: boolean): Promise<readonly (readonly string[])[]>;
  batch(partition: number, ...values: readonly string[]): PartitionBatch;
};

const partitions = 2;

/** Runs `use` with a new topic of two partitions and a transactional id, and closes all of it. */
export async function withTransactions(
  { driver, bootstrap, connectTo = bootstrap }: TransactorContract,
  use: (around: Around) => Promise<void>,
): Promise<void> {
  const topic = newTopicName("txn");
  const opened: { close(): Promise<void> }[] = [];
  const peer = await kafkaPeer(bootstrap);
  opened.push(peer);
  try {
    await peer.createTopic(topic, partitions);
    // The broker that is to lead a new topic may not know of it for a moment.
    await waitFor(() => allEnded({ driver, bootstrap }, topic), { what: `${topic} to be led` });
    await use({
      topic,
      other({ timeoutMs = 30_000, open = kafkaDrivers[driver] } = {}) {
        const options = { ...producerOptions(connectTo), transactionalId: `id ${topic}` };
        const transactor = createTransactor(open, { ...options, timeoutMs });
        opened.push(transactor);
        return transactor;
      },
      leaveOpen: (timeoutMs = 30_000) => leaveOpen({ driver, bootstrap }, { topic, timeoutMs }),
      async read(uncommitted = false, ended = false) {
        const of = { driver, bootstrap };
        if (ended && !(await allEnded(of, topic))) return [];
        return readAll(of, topic, uncommitted);
      },
      batch(partition, ...values) {
        const records = values.map((value) => recordOf("k", value));
        return { topic, partition, records };
      },
    });
  } finally {
    for (const one of opened) await one.close();
  }
}

/** The requests of a transaction up to its end, which never comes. */
async function leaveOpen(
  { driver, bootstrap }: TransactorContract,
  { topic, timeoutMs }: { readonly topic: string; readonly timeoutMs: number },
): Promise<void> {
  const options = { ...producerOptions(bootstrap), requestTimeoutMs: 5_000 };
  const cluster = createCluster(kafkaDrivers[driver], options);
  const transactionalId = `id ${topic}`;
  const asked = { transactionalId, timeoutMs, producerId: -1n, epoch: -1 };
  const own = { ...options, transactionalId, timeoutMs };
  const coordinator = createTransactionCoordinator(cluster, own);
  try {
    const { producerId, producerEpoch: epoch } = await coordinator.ask(
      (connection) => requestTransactionalId(connection, asked),
      ({ errorCode }) => [errorCode],
    );
    const who = { transactionalId, producerId, epoch };
    const [added] = await coordinator.ask(
      (connection) => addPartitions(connection, who, [{ topic, partition: 0 }]),
      (answers) => answers.map(({ errorCode }) => errorCode),
    );
    expect(added?.errorCode).toBe(0);
    const sequence = () => ({ epoch, next: 0, unresolved: undefined });
    const identity = { transactionalId, ready: async () => {}, producerId: () => producerId };
    const job = produceJob({ topic, partition: 0, records: [recordOf("k", "open")] });
    await createBatchWriter(cluster, { ...identity, sequence }, own)([job]);
    expect(job.results).toEqual([null]);
  } finally {
    cluster.close();
  }
}

/**
 * Whether a reader of what is committed gets as far as one of all. Brokers answer a commit before
 * they show what it commits.
 */
export async function allEnded(
  { driver, bootstrap }: Pick<TransactorContract, "driver" | "bootstrap">,
  topic: string,
  count = partitions,
) {
  const ends = [true, false].map(async (uncommitted) => {
    const consumer = createKafkaConsumer(driver, { ...consumerOptions(bootstrap), uncommitted });
    const places = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
    try {
      return JSON.stringify(await consumer.offsets(places, "latest"));
    } finally {
      await consumer.close();
    }
  });
  const [all, committed] = await Promise.all(ends);
  return all === committed;
}

async function readAll(
  { driver, bootstrap }: TransactorContract,
  topic: string,
  uncommitted: boolean,
): Promise<string[][]> {
  const options = { ...consumerOptions(bootstrap), uncommitted };
  const consumer = createKafkaConsumer(driver, options);
  const found: string[][] = Array.from({ length: partitions }, () => []);
  try {
    const places = found.map((_, partition) => ({ topic, partition, offset: 0 }));
    const open = new Map(
      (await consumer.offsets(places, "latest")).map((one) => [one.partition, one.offset]),
    );
    for (const [partition, end] of open) if (end === 0) open.delete(partition);
    consumer.read(places);
    const whole = async () => {
      const polled = await consumer.poll(200, new AbortController().signal);
      if (polled && !polled.error) {
        for (const { value } of polled.records) found[polled.partition]?.push(`${value}`);
        if (polled.next >= (open.get(polled.partition) ?? 0)) open.delete(polled.partition);
      }
      return open.size === 0;
    };
    if (open.size > 0) await waitFor(whole, { what: `${topic} to be read`, timeoutMs: 20_000 });
    return found;
  } finally {
    await consumer.close();
  }
}

const ends = (committed: boolean) => ({ committed });

type Case = readonly [name: string, run: (contract: TransactorContract) => Promise<void>];

/** Every implementation of the port passes these against a real broker. */
export const transactorContract: readonly Case[] = [
  [
    "commits batches of several partitions, transaction after transaction, in order",
    (contract) =>
      withTransactions(contract, async ({ other, batch, read }) => {
        const transactor = other();
        expect(transactor.ready).toBe(false);
        await transactor.takeOver();
        for (let n = 0; n < 20; n += 2) {
          const batches = [batch(0, `${n}`, `${n + 1}`), batch(1, `x${n}`)];
          expect(await transactor.write(batches)).toMatchObject(ends(true));
        }
        const numbers = Array.from({ length: 20 }, (_, n) => `${n}`);
        const others = numbers.filter((n) => Number(n) % 2 === 0).map((n) => `x${n}`);
        expect(await read()).toEqual([numbers, others]);
      }),
  ],
  [
    "one record that is refused aborts all of it, and a reader of what is committed sees nothing",
    (contract) =>
      withTransactions(contract, async ({ other, batch, read }) => {
        const transactor = other();
        await transactor.takeOver();
        const large = batch(1, "2".repeat(1_500_000));
        const refused = await transactor.write([batch(0, "1"), large]);
        expect(refused.committed).toBe(false);
        expect(refused.results.map((result) => result[0]?.code ?? null)).toEqual([
          null,
          "KAFKA_RECORD_TOO_LARGE",
        ]);
        expect(transactor.ready).toBe(false);
        await transactor.renew();
        expect(await transactor.write([batch(0, "3")])).toMatchObject(ends(true));
        expect(await read()).toEqual([["3"], []]);
        expect(await read(true)).toEqual([["1", "3"], []]);
      }),
  ],
  [
    "a partition that is not there begins nothing, and says so of its batch",
    (contract) =>
      withTransactions(contract, async ({ other, batch, read }) => {
        const transactor = other();
        await transactor.takeOver();
        const { committed, results } = await transactor.write([batch(0, "1"), batch(7, "2")]);
        expect([committed, results[1]?.[0]?.code]).toEqual([false, "KAFKA_TOPIC_MISSING"]);
        await transactor.renew();
        expect(await transactor.write([batch(0, "1")])).toMatchObject(ends(true));
        expect(await read(true)).toEqual([["1"], []]);
      }),
  ],
  [
    "whoever takes the id fences the former owner, who can neither write nor renew (fault 34)",
    (contract) =>
      withTransactions(contract, async ({ other, batch, read }) => {
        const [former, owner] = [other(), other()];
        await former.takeOver();
        expect(await former.write([batch(0, "1")])).toMatchObject(ends(true));
        await owner.takeOver();
        expect(await codeOf(former.write([batch(0, "late")]))).toBe("KAFKA_FENCED");
        for (let i = 0; i < 3; i++) {
          expect(await codeOf(former.renew())).toBe("KAFKA_FENCED");
        }
        // That it tried has taken nothing from the owner.
        expect(await owner.write([batch(0, "2")])).toMatchObject(ends(true));
        expect(await read(true)).toEqual([["1", "2"], []]);
      }),
  ],
  [
    "what the former owner left open holds nobody up, and is gone once the id is taken over",
    (contract) =>
      withTransactions(contract, async ({ other, leaveOpen, batch, read }) => {
        await leaveOpen();
        expect(await read()).toEqual([[], []]);
        const owner = other();
        await owner.takeOver();
        expect(await owner.write([batch(0, "1")])).toMatchObject(ends(true));
        expect(await read()).toEqual([["1"], []]);
        expect(await read(true)).toEqual([["open", "1"], []]);
      }),
  ],
];

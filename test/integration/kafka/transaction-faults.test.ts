import { expect } from "bun:test";
import type { OpenConnection } from "#src/clients/kafka/broker-connection.ts";
import { type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import type { KafkaTransactor, PartitionBatch } from "#src/clients/kafka/port.ts";
import { DbusError } from "#src/errors.ts";
import { withTransactions } from "../../contract/kafka-transactor.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { codeOf } from "../../support/code-of.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { waitFor } from "../../support/index.ts";

const services = await useStarted("kafka behind a proxy for transactions", async () => {
  let port = 0;
  const proxy = await faultProxy(() => ({ port }), { seed: 35, protocol: "kafka" });
  const properties = { "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200" };
  const kafka = await startKafka({ properties });
  port = kafka.brokers[0]?.port ?? 0;
  return { proxy, bootstrap: kafka.bootstrap };
});

/** The key of EndTxn, and what it is answered under an epoch that is not the newest. */
const endTxn = 26;
const fencedCodes = [47, 90];

/**
 * What a writer does that must write each value once: after a commit whose end is not known it goes
 * on under another epoch, and behind what is committed.
 */
async function writeOnce(
  transactor: KafkaTransactor,
  batch: PartitionBatch,
  committed: () => Promise<boolean>,
): Promise<string> {
  const code = await codeOf(transactor.write([batch]));
  if (code !== "KAFKA_TRANSACTION_UNSURE") return code;
  await transactor.renew();
  if (!(await committed())) await transactor.write([batch]);
  return code;
}

for (const driver of Object.keys(kafkaDrivers) as KafkaDriver[]) {
  services.test(
    `${driver}: a commit whose answer was lost is found, and nothing of it written twice (fault 35)`,
    ({ proxy, bootstrap }) =>
      withTransactions(
        { driver, bootstrap, connectTo: `127.0.0.1:${proxy.port}` },
        async ({ other, batch, read }) => {
          const transactor = other();
          await transactor.takeOver();
          for (let n = 0; n < 4; n++) {
            const lost = proxy.add({ type: "swallow_reply", to: { apiKey: endTxn } });
            const there = async () => ((await read())[0] ?? []).includes(`${n}`);
            const code = await writeOnce(transactor, batch(0, `${n}`), there);
            expect([code, lost.acted]).toEqual(["KAFKA_TRANSACTION_UNSURE", 1]);
            lost.remove();
          }
          expect(await read()).toEqual([["0", "1", "2", "3"], []]);
          expect(await read(true)).toEqual([["0", "1", "2", "3"], []]);
        },
      ),
  );

  services.test(
    `${driver}: a commit that comes late commits neither its own transaction nor the next one (fault 35)`,
    ({ bootstrap }) =>
      withTransactions({ driver, bootstrap }, async ({ other, batch, read }) => {
        const held = Promise.withResolvers<() => Promise<number>>();
        const transactor = other({ open: holdsCommit(kafkaDrivers[driver], held.resolve) });
        await transactor.takeOver();
        const there = async () => ((await read())[0] ?? []).length > 0;
        const first = batch(0, "1");
        expect(await codeOf(transactor.write([first]))).toBe("KAFKA_TRANSACTION_UNSURE");
        await transactor.renew();
        expect(await there()).toBe(false);
        // It arrives while the next one is open: with the same epoch it would end that.
        const late = (await held.promise)();
        const second = transactor.write([first]);
        expect(fencedCodes).toContain(await late);
        expect(await second).toMatchObject({ committed: true });
        expect(await read()).toEqual([["1"], []]);
        expect(await read(true)).toEqual([["1", "1"], []]);
      }),
  );
}

services.test(
  "what is open for longer than its time is aborted by the brokers, and its writer goes on",
  ({ bootstrap }) =>
    withTransactions({ driver: "kafkajs", bootstrap }, async ({ other, batch, read }) => {
      const held = Promise.withResolvers<() => Promise<number>>();
      const open = holdsCommit(kafkaDrivers.kafkajs, held.resolve);
      const transactor = other({ open, timeoutMs: 300 });
      await transactor.takeOver();
      expect(await codeOf(transactor.write([batch(0, "1")]))).toBe("KAFKA_TRANSACTION_UNSURE");
      const commit = await held.promise;
      await waitFor(async () => (await read(true, true))[0]?.length === 1, {
        what: "the transaction to be ended by the brokers",
        timeoutMs: 30_000,
      });
      expect(fencedCodes).toContain(await commit());
      expect(await read()).toEqual([[], []]);
      // The brokers know that nobody else has taken it.
      await transactor.renew();
      expect(await transactor.write([batch(0, "2")])).toMatchObject({ committed: true });
      expect(await read()).toEqual([["2"], []]);
    }),
);

/** Connections on which the first commit is held back, and fails for whoever waits for it. */
function holdsCommit(
  open: OpenConnection,
  hold: (send: () => Promise<number>) => void,
): OpenConnection {
  let done = false;
  return async (address, options) => {
    const connection = await open(address, options);
    return {
      ...connection,
      async send(request) {
        if (request.apiKey !== endTxn || done) return connection.send(request);
        done = true;
        hold(() => connection.send(request) as Promise<number>);
        throw new DbusError("KAFKA_REQUEST_FAILED", "the connection is lost");
      },
    };
  };
}

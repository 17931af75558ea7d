import { describe, expect, test } from "bun:test";
import type { BrokerConnection } from "#src/clients/kafka/broker-connection.ts";
import type { Cluster } from "#src/clients/kafka/cluster.ts";
import { createFetcher, type Fetcher } from "#src/clients/kafka/consumer/fetcher.ts";
import { requestWriter } from "#src/clients/kafka/producer/record-batch.ts";
import { wireReader } from "#src/clients/kafka/wire/wire-reader.ts";
import { wireWriter } from "#src/clients/kafka/wire/wire-writer.ts";
import { consumerOptions } from "../../contract/kafka-consumer.ts";
import { waitFor } from "../../support/index.ts";

const keys = { fetch: 1, leaderEpochs: 23 };
const never = new AbortController().signal;

/** A batch as it lies in the log from `base` on, written under that leader. */
function batch(base: number, count: number, epoch = 0, size = 1): Buffer {
  const writer = requestWriter("none", 1 << 20);
  const value = "v".repeat(size);
  const record = { key: null, value, headers: [], timestamp: 1 };
  const records = Array.from({ length: count }, () => record);
  writer.batch(records, 0, { producerId: -1n, epoch: -1, sequence: -1 }, 1 << 20);
  const bytes = Buffer.from(writer.bytes());
  bytes.writeBigInt64BE(BigInt(base), 0);
  bytes.writeInt32BE(epoch, 12);
  return bytes;
}

type Asked = { readonly partition: number; readonly offset: number };
type Answer = { readonly error?: number; readonly records?: Buffer };

/** One broker that leads all partitions of topic t. */
function brokerOf(answer: (asked: readonly Asked[]) => readonly Answer[]) {
  const requests: (readonly Asked[])[] = [];
  let epoch = 0;
  let endOf: (epoch: number) => number = () => -1;

  function fetchAnswer(body: Buffer): Buffer {
    const reader = wireReader(body);
    reader.skip(4 + 4 + 4 + 4 + 1 + 8);
    const [asked = []] = reader.array(() => {
      reader.string();
      return reader.array(() => {
        const partition = reader.int32();
        reader.skip(4);
        const offset = reader.int64();
        reader.skip(12);
        return { partition, offset };
      });
    });
    requests.push(asked);
    const answers = answer(asked);
    const writer = wireWriter().int32(0).int16(0).int32(0).int32(1).string("t");
    writer.array(asked, ({ partition }, i) => {
      writer.int32(partition).int16(answers[i]?.error ?? 0);
      writer.int64(1_000).int64(1_000).int64(0).int32(0).int32(-1);
      writer.bytes(answers[i]?.records ?? null);
    });
    return writer.done();
  }

  function epochAnswer(body: Buffer): Buffer {
    const asked = body.readInt32BE(body.length - 4);
    const writer = wireWriter().int32(0).int32(1).string("t").int32(1).int16(0).int32(0);
    return writer.int32(asked).int64(endOf(asked)).done();
  }

  const connection: BrokerConnection = {
    name: "fake",
    isOpen: () => true,
    version: (_key, _oldest, newest) => newest,
    send: async ({ apiKey, body, decode }) => {
      await new Promise((resolve) => setImmediate(resolve));
      return decode(apiKey === keys.fetch ? fetchAnswer(body) : epochAnswer(body));
    },
    sendFrame: () => Promise.reject(new Error("not here")),
    drop() {},
  };
  const many = (value: number) => Array.from({ length: 40 }, () => value);
  const cluster: Partial<Cluster> = {
    node: async () => connection,
    topics: async () =>
      new Map([
        [
          "t",
          {
            errorCode: 0,
            id: "",
            internal: false,
            leaders: many(1),
            epochs: many(epoch),
            offline: new Map(),
            rights: undefined,
          },
        ],
      ]),
    forget() {},
  };
  return {
    requests,
    fetcher: createFetcher(cluster as Cluster, consumerOptions("127.0.0.1:1")),
    newLeader(next: number, end: typeof endOf) {
      epoch = next;
      endOf = end;
    },
  };
}

const at = (partition: number, offset = 0) => ({ topic: "t", partition, offset });

async function poll(fetcher: Fetcher) {
  const polled = await fetcher.poll(5_000, never);
  if (!polled) throw new Error("nothing came");
  return polled;
}

describe("what is fetched", () => {
  test("is handed out before the error that followed it", async () => {
    const { fetcher } = brokerOf(([{ offset = 0 } = {}]) => [
      offset === 0 ? { records: batch(0, 5) } : { error: 1 },
    ]);
    fetcher.read([at(0)]);
    const first = await poll(fetcher);
    expect(first.error === undefined && first.next).toBe(5);
    expect(await poll(fetcher)).toMatchObject({
      at: 5,
      error: { code: "KAFKA_OFFSET_OUT_OF_RANGE" },
    });
    fetcher.close();
  });

  test("keeps its place when records and an error came before anybody polled", async () => {
    let answered = 0;
    const { fetcher } = brokerOf(([{ offset = 0 } = {}]) => {
      answered++;
      return [offset === 0 ? { records: batch(0, 2_500) } : { error: 1 }];
    });
    fetcher.read([at(0)]);
    const nexts: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      const polled = await poll(fetcher);
      nexts.push(polled.error ? polled.error.code : polled.next);
      // The next answer, which is the error, is there before the rest is handed out.
      while (answered < 2) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(nexts).toEqual([1_000, 2_000, 2_500, "KAFKA_OFFSET_OUT_OF_RANGE"]);
    fetcher.close();
  });

  test("a batch that came cut off stands first in the next request, however much the others have", async () => {
    const big = batch(0, 1, 0, 2_000);
    let offsets = 0;
    // Each of the others has something to say once, one a request, before its turn.
    const { fetcher, requests } = brokerOf((asked) =>
      asked.map(({ partition, offset }, i) => {
        if (partition === 20) return { records: i === 0 ? big : big.subarray(0, 100) };
        const says = offset === 0 && partition === offsets;
        return says ? { records: batch(0, 1) } : {};
      }),
    );
    fetcher.read(Array.from({ length: 21 }, (_, partition) => at(partition)));
    for (;;) {
      const polled = await poll(fetcher);
      offsets++;
      expect(polled.error).toBeUndefined();
      if (polled.partition === 20) break;
    }
    expect(requests.length).toBeLessThan(6);
    fetcher.close();
  });
});

describe("a new leader", () => {
  /** Reads ten records under the first leader, loses it, and says what comes then. */
  async function after(end: number, epoch = 3) {
    let lost = false;
    const { fetcher, newLeader, requests } = brokerOf(([{ offset = 0 } = {}]) => {
      if (offset < 10) return [{ records: batch(0, 10, 2) }];
      if (!lost) return [{}];
      lost = false;
      return [{ error: 6 }];
    });
    newLeader(2, () => -1);
    fetcher.read([at(0)]);
    const first = await poll(fetcher);
    expect(first.error === undefined && first.next).toBe(10);
    newLeader(epoch, (asked) => (asked === 2 ? end : -1));
    lost = true;
    const asked = requests.length;
    // Until something is said, or reading goes on behind the answer that there is a new leader.
    const polled = await waitFor(
      async () => {
        const found = await fetcher.poll(50, never);
        return found ?? (requests.length > asked + 2 && "read on");
      },
      { what: "the new leader" },
    );
    fetcher.close();
    return polled;
  }

  test("that has less than was read is told, with where its own records begin", async () => {
    const polled = await after(7);
    expect(polled).toMatchObject({
      at: 10,
      truncated: 7,
      error: { code: "KAFKA_OFFSET_OUT_OF_RANGE" },
    });
    expect(typeof polled === "object" && polled.error?.message).toContain(
      "t/0 at 10: the new leader has other records from 7",
    );
  });

  test("is asked before the first fetch too, where it is known which leader wrote what was read", async () => {
    const { fetcher, newLeader, requests } = brokerOf(() => [{}]);
    newLeader(3, (asked) => (asked === 2 ? 7 : -1));
    fetcher.read([{ ...at(0, 10), leaderEpoch: 2 }]);
    expect(await poll(fetcher)).toMatchObject({ at: 10, truncated: 7 });
    expect(requests).toEqual([]);
    fetcher.close();
  });

  test("that has all of it, or cannot tell, is read on", async () => {
    for (const end of [10, 15, -1]) expect(await after(end)).toBe("read on");
  });
});

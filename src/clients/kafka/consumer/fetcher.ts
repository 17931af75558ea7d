import { sleep } from "../../../clock.ts";
import { DbusError, toDbusError } from "../../../errors.ts";
import type { Cluster } from "../cluster.ts";
import type { KafkaConsumerOptions, Polled, ReadOffset, TopicPartition } from "../port.ts";
import { type FetchAnswer, fetchRecords } from "../wire/fetch.ts";
import { leaderOf } from "../wire/metadata.ts";
import { noError, offsetOutOfRange, protocolError } from "../wire/protocol-errors.ts";
import { createFetchSize, type FetchSize } from "./fetch-size.ts";
import { createHandOut, type Handed } from "./hand-out.ts";
import { recordCursor } from "./record-cursor.ts";
import { checkTruncation, truncatedError } from "./truncation.ts";

/** Fetches from every broker that leads one of the partitions: a request in flight to each. */
export type Fetcher = {
  read(partitions: readonly ReadOffset[]): void;
  forget(partitions: readonly TopicPartition[]): void;
  poll(waitMs: number, signal: AbortSignal): Promise<Polled | undefined>;
  close(): void;
};

/** A partition that is read. */
type Part = Handed & {
  /** What is to be fetched next. */
  offset: number;
  leader: number | undefined;
  /** Under which leader what was fetched last was written, and under which it is fetched. */
  epoch: number;
  leaderEpoch: number;
  /** A new leader is asked whether it has what was read. */
  checking: boolean;
  /** Monotonic ms before which it is left alone. */
  notBefore: number;
  failures: number;
  /** How often its first batch came cut off. */
  cuts: number;
  /** Set when it is no longer read, or from elsewhere: answers that come later are not for it. */
  gone: boolean;
};

/** A broker that is asked. */
type Node = { busy: boolean; notBefore: number; failures: number; readonly size: FetchSize };

const partDelay = { min: 100, max: 5_000 };
/** Somebody has to do something first. */
const deniedDelayMs = 10_000;
const cutsMax = 10;
const placeOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

export function createFetcher(cluster: Cluster, options: KafkaConsumerOptions): Fetcher {
  const { clock, onTrouble } = options;
  const parts = new Map<string, Part>();
  const nodes = new Map<number, Node>();
  const handOut = createHandOut<Part>(options.pollRecordsMax);
  let wake = () => {};
  let looking = false;
  let troubled = false;
  let closed = false;

  const delay = (failures: number) => Math.min(partDelay.max, partDelay.min * 2 ** (failures - 1));

  function trouble(error: DbusError): void {
    troubled = true;
    onTrouble(error);
  }

  /** A partition that failed is left alone for a while, and its leader looked up again. */
  function fail(part: Part, error: DbusError, delayMs = delay(part.failures + 1)): void {
    if (part.gone) return;
    part.failures++;
    part.leader = undefined;
    part.notBefore = clock.now() + delayMs;
    cluster.forget(part.topic);
    trouble(error);
  }

  /** Finds out who leads the partitions of which that is not known. */
  async function look(): Promise<void> {
    looking = true;
    const now = clock.now();
    const lost = [...parts.values()].filter((part) => needsLeader(part, now));
    try {
      const topics = await cluster.topics([...new Set(lost.map(({ topic }) => topic))]);
      for (const part of lost) {
        try {
          const leader = leaderOf(part, topics.get(part.topic));
          follow(part, leader, topics.get(part.topic)?.epochs[part.partition] ?? -1);
        } catch (error) {
          const why = toDbusError(error);
          const denied = why.code === "KAFKA_TOPIC_DENIED" || why.code === "KAFKA_TOPIC_MISSING";
          if (denied && part.failures % 8 === 0) tell(part, why);
          fail(part, why, denied ? deniedDelayMs : undefined);
        }
      }
    } catch (error) {
      for (const part of lost) fail(part, toDbusError(error));
    } finally {
      looking = false;
      wake();
    }
  }

  /**
   * A leader that is new may not have all that was read: one that was out of sync loses what the
   * former one alone had, and what is written now has the offsets of that (KIP-320).
   */
  function follow(part: Part, leader: number, leaderEpoch: number): void {
    if (part.epoch < 0 || leaderEpoch < 0 || leaderEpoch === part.leaderEpoch) {
      part.leader = leader;
      part.leaderEpoch = leaderEpoch;
      return;
    }
    part.checking = true;
    void checkTruncation(cluster, leader, { ...part, leaderEpoch })
      .then(
        (truncated) => {
          if (truncated === undefined) Object.assign(part, { leader, leaderEpoch });
          else halt(part, truncatedError(part, truncated), truncated);
        },
        (error) => fail(part, toDbusError(error)),
      )
      .finally(() => {
        part.checking = false;
        wake();
      });
  }

  const needsLeader = (part: Part, now: number) =>
    part.leader === undefined && !part.halted && !part.checking && part.notBefore <= now;

  /** Asks every broker that has nothing in flight and not more than one answer that is read. */
  function ask(): void {
    if (closed) return;
    const now = clock.now();
    const ofNode = new Map<number, Part[]>();
    let unknown = false;
    for (const part of parts.values()) {
      if (needsLeader(part, now)) unknown = true;
      if (part.leader === undefined || part.halted || part.notBefore > now) continue;
      const others = ofNode.get(part.leader);
      if (others) others.push(part);
      else ofNode.set(part.leader, [part]);
    }
    if (unknown && !looking) void look();
    for (const [nodeId, wanted] of ofNode) {
      const size = nodes.get(nodeId)?.size ?? createFetchSize(nodeId, options);
      const node = nodes.get(nodeId) ?? { busy: false, notBefore: 0, failures: 0, size };
      nodes.set(nodeId, node);
      if (node.busy || node.notBefore > now || handOut.waiting(nodeId) > options.fetchBytesMax / 2)
        continue;
      node.busy = true;
      void fetchFrom(nodeId, node, wanted);
    }
  }

  async function fetchFrom(nodeId: number, node: Node, wanted: readonly Part[]): Promise<void> {
    const asked = new Map(wanted.map((part) => [placeOf(part), { part, offset: part.offset }]));
    const { bytes, answerMs } = node.size;
    let began = clock.now();
    try {
      const connection = await cluster.node(nodeId);
      began = clock.now();
      const answer = await fetchRecords(connection, {
        parts: wanted.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
        waitMs: options.fetchWaitMs,
        answerMs,
        bytesMax: bytes,
        partitionBytesMax: Math.min(bytes, options.partitionBytesMax),
        isolation: options.uncommitted ? 0 : 1,
      });
      if (answer.errorCode !== noError) throw protocolError(answer.errorCode, "fetch");
      node.failures = 0;
      node.size.answered(answer.bytes, clock.now() - began);
      if (answer.throttleMs > 0) options.onThrottle?.(answer.throttleMs);
      node.notBefore = clock.now() + answer.quietMs;
      for (const part of answer.parts) {
        const one = asked.get(placeOf(part));
        if (one && !one.part.gone && one.part.offset === one.offset) take(one.part, nodeId, part);
      }
    } catch (thrown) {
      const error = node.size.failed(toDbusError(thrown), clock.now() - began);
      node.failures++;
      node.notBefore = clock.now() + delay(node.failures);
      for (const part of wanted) if (!part.gone) fail(part, error, 0);
    } finally {
      node.busy = false;
      wake();
    }
  }

  function take(part: Part, node: number, answer: FetchAnswer): void {
    if (answer.errorCode !== noError) {
      const error = protocolError(answer.errorCode, `${placeOf(part)} at ${part.offset}`);
      if (answer.errorCode === offsetOutOfRange) halt(part, error);
      else {
        const denied = error.code === "KAFKA_TOPIC_DENIED";
        if (denied) tell(part, error);
        fail(part, error, denied ? deniedDelayMs : undefined);
      }
      return;
    }
    part.failures = 0;
    if (troubled && parts.values().every(({ failures }) => failures === 0)) {
      troubled = false;
      onTrouble(null);
    }
    const { records, aborted, end } = answer;
    if (records === null || records.length === 0) return;
    const { batchBytesMax } = options;
    const cursor = recordCursor(records, { from: part.offset, aborted, batchBytesMax });
    if (cursor.cut) {
      // It comes whole once it stands at the head of a request; a length that is wrong never does.
      if (++part.cuts < cutsMax) {
        toFront(part);
        return;
      }
      const text = `a batch of ${placeOf(part)} at ${part.offset} never comes whole`;
      halt(part, new DbusError("KAFKA_RECORD_CORRUPT", text));
      return;
    }
    part.cuts = 0;
    part.offset = cursor.next;
    part.epoch = cursor.epoch;
    handOut.put({ part, node, cursor, end });
    // The broker fills its next answer from the front, so those that had nothing stand there.
    parts.delete(placeOf(part));
    parts.set(placeOf(part), part);
  }

  function toFront(part: Part): void {
    const others = [...parts];
    parts.clear();
    parts.set(placeOf(part), part);
    for (const [place, other] of others) parts.set(place, other);
  }

  function halt(part: Part, error: DbusError, truncated?: number): void {
    part.halted = true;
    tell(part, error, truncated);
  }

  function tell(part: Part, error: DbusError, truncated?: number): void {
    if (!part.gone) handOut.tell(part, error, truncated);
  }

  function drop(place: string): void {
    const part = parts.get(place);
    if (!part) return;
    part.gone = true;
    parts.delete(place);
    handOut.drop(part);
  }

  return {
    read(partitions) {
      for (const { topic, partition, offset, leaderEpoch: epoch = -1 } of partitions) {
        const place = placeOf({ topic, partition });
        drop(place);
        const fresh = {
          leader: undefined,
          epoch,
          leaderEpoch: -1,
          checking: false,
          notBefore: 0,
          failures: 0,
          cuts: 0,
          halted: false,
          gone: false,
        };
        parts.set(place, { topic, partition, offset, handed: offset, ...fresh });
      }
      wake();
    },
    forget(partitions) {
      for (const partition of partitions) drop(placeOf(partition));
    },
    async poll(waitMs, signal) {
      const until = clock.now() + waitMs;
      for (;;) {
        if (closed) throw new DbusError("KAFKA_UNREACHABLE", "the client is closed");
        const found = handOut.next();
        ask();
        const left = until - clock.now();
        if (found || left <= 0 || signal.aborted) return found;
        const rung = new AbortController();
        wake = () => rung.abort();
        const end = () => rung.abort();
        signal.addEventListener("abort", end, { once: true });
        // What is left alone for a while is asked again within that wait.
        await sleep(clock, Math.min(left, partDelay.min), rung.signal);
        signal.removeEventListener("abort", end);
        wake = () => {};
      }
    },
    close() {
      closed = true;
      wake();
    },
  };
}

import { sleep } from "../../../clock.ts";
import type { Cluster } from "../cluster.ts";
import type { KafkaProducerOptions } from "../port.ts";
import { requestProducerId } from "../wire/init-producer-id.ts";
import { noError, protocolError } from "../wire/protocol-errors.ts";
import { isExhausted, type PartitionSequence, partitionSequence } from "./partition-sequence.ts";

/** The id that the broker knows this producer by, and the numbering of each partition under it. */
export type ProducerIdentity = {
  /** Set where all that it writes belongs to transactions. */
  readonly transactionalId?: string | undefined;
  /** Gets an id where there is none yet, or where the old one is used up. */
  ready(): Promise<void>;
  /** -1 where the producer is not idempotent. */
  producerId(): bigint;
  /** Undefined where the producer is not idempotent. */
  sequence(topic: string, partition: number): PartitionSequence | undefined;
};

/** A broker that has just started first loads what it needs to give ids out. */
const startingCodes = [14, 15, 16];

export function createProducerIdentity(
  cluster: Cluster,
  options: Pick<KafkaProducerOptions, "acks" | "clock" | "requestTimeoutMs">,
): ProducerIdentity {
  const idempotent = options.acks === "all";
  const sequences = new Map<string, PartitionSequence>();
  let producerId = -1n;
  let epoch = -1;

  const ask = async () => requestProducerId(await cluster.any());

  async function renew(): Promise<void> {
    const { clock } = options;
    const deadline = clock.now() + options.requestTimeoutMs;
    let answer = await ask();
    while (startingCodes.includes(answer.errorCode) && clock.now() < deadline) {
      await sleep(clock, 100);
      answer = await ask();
    }
    if (answer.errorCode !== noError)
      throw protocolError(answer.errorCode, "ask for a producer id");
    producerId = answer.producerId;
    epoch = answer.producerEpoch;
    sequences.clear();
  }

  return {
    async ready() {
      if (!idempotent) return;
      const exhausted = producerId >= 0n && sequences.values().some(isExhausted);
      if (producerId < 0n || exhausted) await renew();
    },
    producerId: () => producerId,
    sequence(topic, partition) {
      if (!idempotent) return undefined;
      const name = `${topic} ${partition}`;
      const known = sequences.get(name) ?? partitionSequence(epoch);
      sequences.set(name, known);
      return known;
    },
  };
}

import { defineOutput, isLoopback, type OutputContext, type Packet, type Verdict } from "#plugin";
import { createKafkaProducer } from "#src/clients/kafka/drivers.ts";
import type { KafkaProducer } from "#src/clients/kafka/port.ts";
import { checkOutput } from "./check.ts";
import { dryProducer } from "./dry-producer.ts";
import { exactlyOnceOf, type KafkaOutputConfig, kafkaOutputSchema } from "./kafka-config.ts";
import { createOnce, type Once } from "./once.ts";
import { ownSource } from "./own-source.ts";
import { createPacketEncoder } from "./packet-encoder.ts";
import { producerOptions } from "./producer-options.ts";
import { createTopicNames } from "./topic-names.ts";
import { createTopics } from "./topics.ts";
import { type FenceAt, patienceOf, type Writer, writePackets } from "./write.ts";
import { writeOnce } from "./write-once.ts";

type State = {
  readonly config: KafkaOutputConfig;
  readonly producer: KafkaProducer;
  /** The id of the cluster that is written to. */
  readonly cluster: string;
  readonly writer: Writer;
  /** Set where batches are transactions. */
  readonly once: Once | undefined;
};

function producerOf(config: KafkaOutputConfig, context: OutputContext): KafkaProducer {
  if (config.mode === "dryrun") return dryProducer(config);
  return createKafkaProducer(config.driver, producerOptions(config, context));
}

/** What whoever is in between could do: warned of at each start, and shown in the status. */
function insecureParts({ tls, sasl, brokers }: KafkaOutputConfig): readonly string[] {
  if (typeof tls === "object" && tls.insecure) {
    return ["any certificate is trusted, so anyone in between can read and write (tls.insecure)"];
  }
  const far = brokers.some((broker) => !isLoopback(broker.replace(/:\d+$/, "")));
  return tls === false && sasl?.mechanism === "plain" && far
    ? ["the password goes over the network in the clear (sasl plain without tls)"]
    : [];
}

/** What whoever runs this should not have to find out later. */
function warn({ qos, mode }: KafkaOutputConfig, { log }: OutputContext): void {
  if (qos === "LossTolerant") {
    log.warn(
      "qos LossTolerant: what a broker loses before it is copied is lost, and a retry may write twice",
    );
  }
  if (mode === "dryrun") log.warn("mode dryrun: nothing is sent, every packet counts as done");
}

/** Counts them, and tells of the first: whoever looks for them should find out why. */
function leftOutOf({ log, reportLeftOut }: OutputContext): (packets: number) => void {
  let told = false;
  return (packets) => {
    reportLeftOut(packets);
    if (!told) log.info("records that have been in this cluster before are left out (provenance)");
    told = true;
  };
}

const largeBytes = 4 << 20;

/**
 * Whether they take so long to encode that nothing else should come in the same turn of the event
 * loop: other outputs encode the same packets, and who asks the admin API waits for all of it.
 */
function isLarge(packets: readonly Packet[]): boolean {
  let bytes = 0;
  for (const packet of packets) bytes += packet.bytes;
  return bytes >= largeBytes;
}

/** One packet after the other; what comes behind one that has to wait waits as well. */
async function writeEach(
  { writer }: State,
  packets: readonly Packet[],
  fenceAt: FenceAt,
): Promise<readonly Verdict[] | undefined> {
  const verdicts: Verdict[] = [];
  for (const packet of packets) {
    const at = verdicts.length;
    const verdict = (await writePackets(writer, [packet], () => fenceAt(at)))?.[0] ?? "done";
    verdicts.push(verdict);
    if (verdict !== "done" && "retryAfterMs" in verdict) {
      while (verdicts.length < packets.length) verdicts.push(verdict);
    }
    if (verdicts.length === packets.length) break;
  }
  return verdicts;
}

export const kafkaOutput = defineOutput<KafkaOutputConfig, State>({
  name: "KafkaOutput",
  insecure: insecureParts,
  summary: "Writes packets to Kafka topics, keyed and in order, each acknowledged or kept.",
  configSchema: kafkaOutputSchema,
  defaults: {
    batch: { countMax: 1024, lingerMs: 500 },
    retry: { times: 3, delayMs: 350 },
  },
  // The records as text and in the request, what compression makes of it, and what the socket keeps.
  memory: () => ({ buffers: 8 << 20, copies: 4 }),
  exactlyOnce: (config) => exactlyOnceOf(config) !== undefined,
  check: checkOutput,
  async open(context, config) {
    warn(config, context);
    const producer = producerOf(config, context);
    let cluster: string;
    try {
      await producer.connect();
      cluster = await producer.clusterId();
    } catch (error) {
      await producer.close();
      throw error;
    }
    const leftOut = leftOutOf(context);
    const writer: Writer = {
      names: createTopicNames(config.topic),
      topics: createTopics(producer, config, context),
      encoder: createPacketEncoder(config, context.clock, config.provenance ? cluster : undefined),
      ...(config.provenance ? { leftOut } : {}),
      producer,
      kept: new Map(),
    };
    const settings = exactlyOnceOf(config);
    const once = settings && createOnce({ config, settings, context, producer, writer });
    return { config, producer, cluster, writer, once };
  },
  async write(state, packets, { fenceAt, sources }) {
    const { once, cluster } = state;
    const { names } = state.writer;
    const loop = ownSource(packets, sources(), { names, cluster });
    if (loop) return packets.map(() => ({ retryAfterMs: patienceOf(loop), error: loop }));
    if (once) return writeOnce(once, packets, sources(), fenceAt);
    await state.writer.topics.check();
    if (isLarge(packets)) await new Promise((resolve) => setImmediate(resolve));
    return state.config.mode === "sync"
      ? writeEach(state, packets, fenceAt)
      : writePackets(state.writer, packets, fenceAt);
  },
  async forget({ once }, source) {
    await once?.session(source).forget(source.partition);
  },
  async close({ producer, once }) {
    await once?.close();
    await producer.close();
  },
});

import type { Writable } from "../../byte-sink.ts";
import type { Clock } from "../../clock.ts";
import type { DbusError } from "../../errors.ts";
import type { Log } from "../../log.ts";

/** Text is written as UTF-8. */
export type Content = Uint8Array | string | null;

/** What writes itself may throw a `DbusError`, which then refuses the record alone. */
export type KafkaValue = Content | Writable;

export type KafkaHeader = readonly [name: string, value: Uint8Array | string];

/**
 * What is written. A record that is given to `produce` again must be the same object: that is how
 * a producer knows a retry of a batch whose fate it could not learn.
 */
export type KafkaRecord = {
  readonly key: Content;
  /** null is a tombstone. */
  readonly value: KafkaValue;
  readonly headers: readonly KafkaHeader[];
  /** Unix milliseconds, a whole number. */
  readonly timestamp: number;
};

/** Records of one partition, in the order in which they are to stand there. */
export type PartitionBatch = {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly KafkaRecord[];
};

/**
 * What became of the records of one batch, in their order: null where one is written, else why not.
 * An error of kind `retry` says that this record and every later one of the batch is to be given
 * again in the same order; an error of kind `fatal` concerns that record alone and does not stop
 * the later ones.
 */
export type PartitionResult = readonly (DbusError | null)[];

export type NewTopic = {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
};

/**
 * A Kafka producer with the little administration that an output needs. One `produce` at a time.
 * Every implementation runs `test/contract/kafka-producer.ts`.
 *
 * Errors are `DbusError`s: KAFKA_UNREACHABLE, KAFKA_AUTH, KAFKA_TLS, KAFKA_TOPIC_MISSING,
 * KAFKA_TOPIC_DENIED, KAFKA_TOPIC_INVALID, KAFKA_REQUEST_FAILED, KAFKA_UNSUPPORTED; for records
 * KAFKA_RECORD_TOO_LARGE, KAFKA_RECORD_REJECTED, KAFKA_NOT_LEADER, KAFKA_NOT_ENOUGH_REPLICAS,
 * KAFKA_SEQUENCE_LOST too.
 */
export type KafkaProducer = {
  /** Reaches a broker, logs in and, where the producer is idempotent, gets its id. */
  connect(): Promise<void>;
  /** How many partitions the topic has. Throws `KAFKA_TOPIC_MISSING`, `KAFKA_TOPIC_DENIED`. */
  partitionCount(topic: string): Promise<number>;
  /** Resolves too when the topic is already there, and not before each partition has a leader. */
  createTopic(topic: NewTopic): Promise<void>;
  /**
   * Tries once to write each batch, one batch for each partition. Never throws for what concerns a
   * batch: that is in its result, which stands at the same place.
   */
  produce(batches: readonly PartitionBatch[]): Promise<readonly PartitionResult[]>;
  close(): Promise<void>;
};

export type KafkaTls = {
  /** PEM text of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** PEM text of the client's certificate and key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** False trusts any certificate. */
  readonly verify: boolean;
};

export type KafkaSasl = {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  readonly username: string;
  readonly password: string;
};

export type Compression = "none" | "gzip" | "zstd";

export type KafkaConnectionOptions = {
  /** `host:port`, at least one; `[::1]:9092` for IPv6. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly tls?: KafkaTls | undefined;
  readonly sasl?: KafkaSasl | undefined;
  readonly connectTimeoutMs: number;
  /** How long a broker may take for an answer before the connection is given up. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
};

export type KafkaProducerOptions = KafkaConnectionOptions & {
  /** `all` is idempotent: a retry writes nothing twice. `leader` is neither that nor safe. */
  readonly acks: "all" | "leader";
  readonly compression: Compression;
  /** Of one record batch, uncompressed; a batch the broker finds too large is split anyway. */
  readonly batchBytesMax: number;
  /** Of one record, uncompressed. */
  readonly recordBytesMax: number;
};

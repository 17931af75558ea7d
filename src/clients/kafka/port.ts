import type { Writable } from "../../byte-sink.ts";
import type { Clock } from "../../clock.ts";
import type { DbusError } from "../../errors.ts";
import type { Log } from "../../log.ts";

/** Text is written as UTF-8. */
export type Content = Uint8Array | string | null;

/** What writes itself may throw a `DbusError`, which then refuses the record alone. */
export type KafkaValue = Content | Writable;

export type KafkaHeader = readonly [name: string, value: Uint8Array | string | null];

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
  /** Of the topic, e.g. `cleanup.policy`. */
  readonly configs?: Readonly<Record<string, string>>;
};

export type TopicPartition = { readonly topic: string; readonly partition: number };
export type PartitionOffset = TopicPartition & { readonly offset: number };

/** A header as it was read; names may come more than once. */
export type ReadHeader = readonly [name: string, value: Uint8Array | null];

/** What is read. Key, value and headers are views of what came off the wire. */
export type ReadRecord = {
  readonly offset: number;
  /** Unix milliseconds, by the producer or by the broker, as the topic says; -1 without one. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  /** null is a tombstone. */
  readonly value: Uint8Array | null;
  readonly headers: readonly ReadHeader[];
};

/** What one `poll` gives: records of one partition in order, or what stands against reading it. */
export type Polled = TopicPartition &
  (
    | {
        readonly error?: undefined;
        readonly records: readonly ReadRecord[];
        /** The offset behind them, where records are left out too. */
        readonly next: number;
        /** The next offset that will be written, as far as it may be read. */
        readonly end: number;
        /** Of the leader that wrote them, or a later one whose records came with them. */
        readonly leaderEpoch: number;
      }
    | {
        /**
         * KAFKA_OFFSET_OUT_OF_RANGE, KAFKA_RECORD_CORRUPT and KAFKA_UNSUPPORTED: the partition is
         * not read any more until it is given to `read` again. Others are told once, and tried
         * again: KAFKA_TOPIC_MISSING, KAFKA_TOPIC_DENIED.
         */
        readonly error: DbusError;
        /** What was to be read. */
        readonly at: number;
        /** Of what is corrupt: where the next batch begins. */
        readonly behind?: number;
        /** Of what is out of range: where a new leader begins to have other records. */
        readonly truncated?: number;
      }
  );

export type TopicInfo = {
  readonly partitions: number;
  /** Tells a topic from another one of the same name; "" where brokers have none (before 2.8). */
  readonly id: string;
  /** Kafka's own, such as __consumer_offsets. */
  readonly internal: boolean;
};

/** The next one to be read. The epoch is that of the leader that wrote the one before it. */
export type ReadOffset = PartitionOffset & { readonly leaderEpoch?: number | undefined };
export type CommitOffset = ReadOffset & { readonly metadata?: string };

/** What a group's member is told. Partitions that stay are not in any of these. */
export type GroupEvents = {
  /** These are ours from now on. */
  assigned(partitions: readonly TopicPartition[]): void;
  /** These are to be given up: the promise ends when what is in flight is settled and committed. */
  revoked(partitions: readonly TopicPartition[]): Promise<void>;
  /** These are no longer ours, and maybe read by another by now: they are not to be committed. */
  lost(partitions: readonly TopicPartition[]): void;
};

export type GroupOptions = {
  readonly group: string;
  /** Without a heartbeat for so long the group goes on without this member. */
  readonly sessionTimeoutMs: number;
  /** How long the group waits for members to give up partitions and join again. */
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
};

export type GroupMember = {
  /**
   * Joins, and stays a member until `signal` aborts, when it leaves. Throws what needs a person:
   * KAFKA_GROUP_DENIED, KAFKA_GROUP_REFUSED, KAFKA_AUTH ...
   */
  run(events: GroupEvents, signal: AbortSignal): Promise<void>;
  /** What it wants to read, and how many partitions there are: a change is a rebalance. */
  subscribe(topics: ReadonlyMap<string, number>): void;
  /** Throws KAFKA_REBALANCED when it is no member of this generation any more. */
  commit(offsets: readonly CommitOffset[]): Promise<void>;
};

/**
 * A Kafka consumer that reads when it is asked to: nothing is fetched while nobody polls, beyond
 * what one request of each broker gives. Every implementation runs `test/contract/kafka-consumer.ts`.
 *
 * Errors are `DbusError`s: KAFKA_UNREACHABLE, KAFKA_AUTH, KAFKA_TLS, KAFKA_TOPIC_MISSING,
 * KAFKA_TOPIC_DENIED, KAFKA_GROUP_DENIED, KAFKA_REQUEST_FAILED, KAFKA_UNSUPPORTED, KAFKA_NOT_LEADER.
 */
export type KafkaConsumer = {
  /** Reaches a broker and logs in. */
  connect(): Promise<void>;
  /** What tells the cluster from all others; "" where it does not say. */
  clusterId(): Promise<string>;
  /** Every topic that may be seen, asked for now. */
  allTopics(): Promise<ReadonlyMap<string, TopicInfo>>;
  /** These topics, asked for now; the reason in place of one that may not be read. */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo | DbusError>>;
  /**
   * The first offset that is there; the end of what may be read, `latest`, or of what is written;
   * or the first whose record is that new (Unix milliseconds; the end where none is).
   */
  offsets(
    partitions: readonly TopicPartition[],
    at: "earliest" | "latest" | "written" | number,
  ): Promise<readonly PartitionOffset[]>;
  /** The end of what is written, of those partitions that are there and whose broker answers. */
  ends(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>;
  /** Reads these too, or on from there; by an epoch the leader is asked first what it has of it. */
  read(partitions: readonly ReadOffset[]): void;
  /** Reads these no more: what was fetched of them and not handed out is forgotten. */
  forget(partitions: readonly TopicPartition[]): void;
  /** Undefined when nothing has come within `waitMs`, or `signal` has aborted. */
  poll(waitMs: number, signal: AbortSignal): Promise<Polled | undefined>;
  /** What the group has committed. */
  committed(group: string): Promise<readonly CommitOffset[]>;
  /** Commits without being a member; refused while the group has members. */
  commit(group: string, offsets: readonly CommitOffset[]): Promise<void>;
  member(options: GroupOptions): GroupMember;
  close(): Promise<void>;
};

/**
 * A Kafka producer with the little administration that an output needs. One `produce` at a time.
 * Every implementation runs `test/contract/kafka-producer.ts`.
 *
 * Errors are `DbusError`s: KAFKA_UNREACHABLE, KAFKA_AUTH, KAFKA_TLS, KAFKA_TOPIC_MISSING,
 * KAFKA_TOPIC_DENIED, KAFKA_TOPIC_INVALID, KAFKA_REQUEST_FAILED, KAFKA_UNSUPPORTED; for records
 * KAFKA_RECORD_TOO_LARGE, KAFKA_RECORD_REJECTED, KAFKA_NOT_LEADER, KAFKA_STORAGE,
 * KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_SEQUENCE_LOST too.
 */
export type KafkaProducer = {
  /** Reaches a broker, logs in and, where the producer is idempotent, gets its id. */
  connect(): Promise<void>;
  /** What tells the cluster from all others; "" where it does not say. */
  clusterId(): Promise<string>;
  /** How many partitions the topic has, asked for now. Throws `KAFKA_TOPIC_MISSING`, `KAFKA_TOPIC_DENIED`. */
  partitionCount(topic: string): Promise<number>;
  /** Resolves too when the topic is already there, and not before each partition has a leader. */
  createTopic(topic: NewTopic): Promise<void>;
  /** Gives a topic more partitions; resolves when each has a leader, also when it has as many. */
  growTopic(topic: string, partitions: number): Promise<void>;
  /**
   * Tries once to write each batch, one batch for each partition. Never throws for what concerns a
   * batch: that is in its result, which stands at the same place.
   */
  produce(batches: readonly PartitionBatch[]): Promise<readonly PartitionResult[]>;
  close(): Promise<void>;
};

/** What became of a transaction: committed whole, or surely nothing of it. */
export type TransactionResult = {
  readonly committed: boolean;
  /** Why not, as of `produce`: null where a batch had nothing against it, and is not there either. */
  readonly results: readonly PartitionResult[];
};

/**
 * Writes transactions under one transactional id, which one at a time may have. Every
 * implementation runs `test/contract/kafka-transactor.ts`.
 *
 * Beside the errors of a producer there are KAFKA_FENCED, when the id has a newer epoch: another
 * has taken it (of `write` also where a transaction was open for longer than `timeoutMs` and so was
 * aborted; `renew` tells the two apart); KAFKA_TRANSACTION_REFUSED; and KAFKA_TRANSACTION_UNSURE, of a commit alone.
 */
export type KafkaTransactor = {
  /** Whether `write` may be called: after `takeOver` and each commit, else after `renew`. */
  readonly ready: boolean;
  /** Takes the id: whoever had it is fenced, and what that one left open aborted. */
  takeOver(): Promise<void>;
  /**
   * Goes on under the next epoch, where nobody has taken the id: nothing that was on its way under
   * the former one counts any more, and what was open is aborted. KAFKA_FENCED leaves all as it is.
   */
  renew(): Promise<void>;
  /** One transaction, one batch for each partition. Throws KAFKA_TRANSACTION_UNSURE, KAFKA_FENCED. */
  write(batches: readonly PartitionBatch[]): Promise<TransactionResult>;
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
  /** Told how long a broker asks to be left alone, which it then is. */
  readonly onThrottle?: ((ms: number) => void) | undefined;
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

export type KafkaTransactorOptions = KafkaProducerOptions & {
  readonly transactionalId: string;
  /** How long a transaction may be open before the brokers abort it. */
  readonly timeoutMs: number;
};

export type KafkaConsumerOptions = KafkaConnectionOptions & {
  /** Of one answer of a broker, and of one partition in it; a larger batch comes whole. */
  readonly fetchBytesMax: number;
  readonly partitionBytesMax: number;
  /** How long a broker may wait for something to be written. */
  readonly fetchWaitMs: number;
  /** Records of one `poll`. */
  readonly pollRecordsMax: number;
  /** What the records of a compressed batch may come to. */
  readonly batchBytesMax: number;
  /** Whether records of transactions that are open or were aborted are read too. */
  readonly uncommitted: boolean;
  /** Told what keeps it from reading while it tries again, and null once it reads again. */
  readonly onTrouble: (trouble: DbusError | null) => void;
};

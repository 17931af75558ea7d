/**
 * What a fault proxy can do to the bytes of a connection. Names are Toxiproxy's where it has one
 * (its `reset_peer` and `limit_data` are `reset` and `truncate` here). Counts of bytes begin when
 * the toxic meets the connection: with its first byte, or now if it is already open.
 */
export type Toxic =
  /** Every byte and the end of the stream arrive so much later, in order. */
  | { readonly type: "latency"; readonly ms: number }
  /** A delay drawn anew for each chunk, from nothing to `ms`; the order stays. */
  | { readonly type: "jitter"; readonly ms: number }
  | { readonly type: "rate"; readonly bytesPerSecond: number }
  /**
   * Lets so many bytes through, then ends the connection with RST on both sides; with 0 at the
   * first byte. What a receiver has not read by then may be lost to it, as with any RST.
   */
  | { readonly type: "reset"; readonly afterBytes: number }
  /** Lets so many bytes through, then ends the connection as if it had been closed properly. */
  | { readonly type: "truncate"; readonly afterBytes: number }
  /** One side goes away, and the one that is left never hears of it. */
  | { readonly type: "half_open"; readonly left: "client" | "server" }
  /**
   * Nothing gets through, not even an end, and nobody is told. What was sent meanwhile goes on
   * once the toxic is removed, as TCP sends again what a partition had dropped.
   */
  | { readonly type: "blackhole" }
  /** As `blackhole`, until after `ms` the connection is closed. */
  | { readonly type: "timeout"; readonly ms: number }
  /** Segments of so many bytes, with a turn of the event loop between them. */
  | { readonly type: "slicer"; readonly bytes: number }
  /**
   * Changes the byte after so many; with `everyBytes`, also later ones, at seeded random
   * distances of so many bytes on average.
   */
  | { readonly type: "corrupt_byte"; readonly afterBytes: number; readonly everyBytes?: number }
  /** Changes one byte of this text the first time that it passes on any connection, and no more. */
  | { readonly type: "corrupt_text"; readonly text: string }
  /** The end of the stream arrives so much later than its last byte. */
  | { readonly type: "slow_close"; readonly ms: number }
  /** Connections end with RST, and new ones as soon as they are accepted. */
  | { readonly type: "refuse" }
  | SwallowReply;

/**
 * A request gets to the server and its reply never to the client: the only way to make an outcome
 * unknown at a chosen moment. The proxy must have been told the protocol. Plain text only.
 */
export type SwallowReply = {
  readonly type: "swallow_reply";
  readonly to: RequestPattern;
  /** The first match unless told; counted over all connections, from when the toxic is added. */
  readonly nth?: number;
  /** Whether the connection is reset in place of the reply; true unless told. */
  readonly cut?: boolean;
};

export type RequestPattern = KafkaPattern | MysqlPattern | ZookeeperPattern;

/** A Kafka request by its key: 0 is Produce, 3 Metadata, 22 InitProducerId. */
export type KafkaPattern = { readonly apiKey: number };

/**
 * A MySQL command by its code: 3 is COM_QUERY, 18 and 30 are COM_BINLOG_DUMP and its GTID form.
 * `text` is looked for in the first 512 bytes of what follows the code.
 */
export type MysqlPattern = { readonly command: number; readonly text?: RegExp };

/**
 * A ZooKeeper request by its opcode: 15 is create, 5 setData, 14 multi. 0 is what comes without a
 * request: the event of a watch.
 */
export type ZookeeperPattern = { readonly zkOpcode: number };

/** `upstream` is what the client sends, `downstream` what the server sends. */
export type Direction = "upstream" | "downstream";

export type Protocol = "kafka" | "mysql" | "zookeeper";

import { z } from "zod";
import { kafkaConnectionFields } from "#src/clients/kafka/connection-config.ts";
import { type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import { formatNames } from "#src/format/format.ts";
import { checkTemplate } from "./topic-names.ts";

const createTopicsSchema = z.strictObject({
  partitions: z.int().min(1).optional().describe("of a new topic; the broker's default without it"),
  replicationFactor: z
    .int()
    .min(1)
    .optional()
    .describe("of a new topic; the broker's default without it"),
  configs: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .optional()
    .describe("settings of a new topic: {cleanup.policy: compact, min.insync.replicas: 2}"),
});

const topicSchema = z
  .string()
  .superRefine((template, context) => {
    const wrong = checkTemplate(template);
    if (wrong) context.addIssue({ code: "custom", message: wrong });
  })
  .default("cdc.${db}.${tbl}")
  .describe(
    "topic of a packet: ${db} and ${tbl} of its row, ${ident} of the packet. What is no row and has no db goes to ${ident}. Characters that Kafka does not allow become _",
  );

const exactlyOnceSchema = z.strictObject({
  transactionalIdPrefix: z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,64}$/, "it is made of letters, digits, . _ and -")
    .default("dbus")
    .describe(
      "what its transactional ids begin with, PREFIX:INPUT:RESOURCE:OUTPUT. Who starts with the same " +
        "id fences whoever has it, so each dbusd of a Kafka cluster needs a prefix of its own",
    ),
  positionsTopic: z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,249}$/, "a topic is made of letters, digits, . _ and -")
    .default("__dbus_pos")
    .describe(
      "the compacted topic that holds how far each partition of an input is; made when it is missing",
    ),
  timeoutMs: z
    .int()
    .min(1_000)
    .default(60_000)
    .describe(
      "how long a transaction may be open before the brokers abort it: at most their " +
        "transaction.max.timeout.ms, and longer than requestTimeoutMs",
    ),
});

export type ExactlyOnce = z.output<typeof exactlyOnceSchema>;

export const kafkaOutputSchema = z
  .strictObject({
    ...kafkaConnectionFields,
    topic: topicSchema,
    createTopics: z
      .union([z.literal(false), createTopicsSchema])
      .default({})
      .describe("how to create a topic that is missing, or false: then its packets wait for it"),
    partition: z
      .union([z.enum(["key", "source", "roundRobin"]), z.int().min(0).max(1_000_000)])
      .default("key")
      .describe(
        "partition of a record. key: by its key, as the Java client chooses it; source: the one it had " +
          "in the Kafka it was read from, and a topic that is made, or has fewer, gets as many; " +
          "roundRobin: one after the other, so that only the order within a partition is kept; or its " +
          "number",
      ),
    format: z
      .enum(formatNames)
      .default("row")
      .describe("row: the row event of dbus; debezium: Debezium's envelope without schema"),
    bigint: z
      .enum(["number", "string"])
      .default("number")
      .describe("BIGINT as JSON digits, which some readers round, or as strings"),
    tombstones: z
      .boolean()
      .optional()
      .describe("whether a record without value follows a delete; yes in debezium, no in row"),
    keyColumns: z
      .record(z.string(), z.array(z.string()).min(1))
      .default({})
      .describe("key columns by db.table, for tables whose key is not their primary key"),
    keyless: z
      .enum(["none", "row"])
      .default("none")
      .describe(
        "key of tables without one: none keeps a table in one partition, row takes the whole row as key",
      ),
    sourceName: z
      .string()
      .default("dbus")
      .describe("source.name of the debezium format, what Debezium calls the topic prefix"),
    headers: z
      .boolean()
      .default(true)
      .describe(
        "whether records carry dbus-id (the same for a record sent twice), dbus-ident and content-type; in a cluster dbus-fence too: a number that grows when another process takes the source over, so a record of that source behind one with a greater number is of a process that had lost its right",
      ),
    provenance: z
      .boolean()
      .default(false)
      .describe(
        "for mirrors in both directions, or around: a record that leaves a Kafka cluster for another one gets the header dbus-via with the id of the one that it leaves, and one that has been in this cluster before is not written to it again",
      ),
    timestamps: z
      .enum(["written", "source"])
      .default("written")
      .describe(
        "timestamp of a row's record: when it was written, or when the source logged it. Kafka deletes by it: with source, an old row can be gone at once, and a broker forgets after a day which batches it has",
      ),
    mode: z
      .enum(["async", "sync", "dryrun"])
      .default("async")
      .describe(
        "async: a batch at a time; sync: each packet waits for the one before it to be acknowledged; dryrun: encodes and sends nothing",
      ),
    qos: z
      .enum(["ThroughputFirst", "LossTolerant"])
      .default("ThroughputFirst")
      .describe(
        "ThroughputFirst: every in-sync replica acknowledges and a retry writes nothing twice; LossTolerant: the leader alone acknowledges, what it loses before it is copied is lost",
      ),
    compression: z
      .enum(["none", "gzip", "zstd"])
      .default("none")
      .describe("of the record batches; zstd needs Kafka 2.1"),
    recordBytesMax: z
      .int()
      .min(1024)
      .default(1_000_000)
      .describe(
        "a larger record goes to the dead letters; not above the topic's max.message.bytes",
      ),
    batchBytesMax: z
      .int()
      .min(1024)
      .default(1_000_000)
      .describe("bytes of one batch of one partition before compression"),
    exactlyOnce: z
      .union([z.boolean(), exactlyOnceSchema])
      .default(false)
      .describe(
        "write each batch as one transaction, with the positions of its packets, and leave out what is " +
          "read again after a crash. Readers need isolation.level=read_committed",
      ),
    driver: z
      .enum(Object.keys(kafkaDrivers) as [KafkaDriver, ...KafkaDriver[]])
      .default("kafkajs")
      .describe("the client library underneath"),
  })
  .superRefine((config, issues) => {
    const { exactlyOnce, qos, mode, requestTimeoutMs } = config;
    const once = exactlyOnceOf({ exactlyOnce });
    if (!once) return;
    const wrong = (path: string, message: string) =>
      issues.addIssue({ code: "custom", path: [path], message });
    if (qos !== "ThroughputFirst") wrong("qos", "exactlyOnce needs ThroughputFirst");
    if (mode !== "async") wrong("mode", "exactlyOnce needs async: a batch is a transaction");
    if (once.timeoutMs <= requestTimeoutMs) {
      wrong("exactlyOnce", "timeoutMs must be longer than requestTimeoutMs");
    }
  });

/** How it is done, where it is asked for. */
export function exactlyOnceOf({
  exactlyOnce,
}: {
  readonly exactlyOnce: boolean | ExactlyOnce;
}): ExactlyOnce | undefined {
  if (exactlyOnce === false) return undefined;
  return exactlyOnce === true ? exactlyOnceSchema.parse({}) : exactlyOnce;
}

export type KafkaOutputConfig = z.infer<typeof kafkaOutputSchema>;

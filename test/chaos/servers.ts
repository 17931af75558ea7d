import {
  type ElasticsearchService,
  type KafkaService,
  type MysqlFlavor,
  type MysqlService,
  startElasticsearch,
  startKafka,
  startMysql,
} from "../services/index.ts";

/** The servers of all rounds, each started when a round first needs it. */
export type Servers = {
  mysql(flavor: MysqlFlavor): Promise<MysqlService>;
  kafka(): Promise<KafkaService>;
  /** The one that is read, where both are Kafka or the sink is none. */
  sourceKafka(): Promise<KafkaService>;
  elasticsearch(): Promise<ElasticsearchService>;
  /** Stops them all; a later round starts them anew. */
  stop(): Promise<void>;
};

/** Members may be gone soon, and who dies in a transaction holds nobody up for long. */
const sourceProperties = {
  "group.min.session.timeout.ms": "500",
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
};

export function chaosServers(): Servers {
  const mysqls = new Map<MysqlFlavor, Promise<MysqlService>>();
  let kafka: Promise<KafkaService> | undefined;
  let sourceKafka: Promise<KafkaService> | undefined;
  let elasticsearch: Promise<ElasticsearchService> | undefined;
  return {
    mysql(flavor) {
      const started = mysqls.get(flavor) ?? startMysql({ flavor });
      mysqls.set(flavor, started);
      return started;
    },
    kafka() {
      kafka ??= startKafka();
      return kafka;
    },
    sourceKafka() {
      sourceKafka ??= startKafka({ heapMb: 320, properties: sourceProperties });
      return sourceKafka;
    },
    elasticsearch() {
      elasticsearch ??= startElasticsearch();
      return elasticsearch;
    },
    async stop() {
      const others = [kafka, sourceKafka, elasticsearch].filter((one) => one !== undefined);
      const all = [...mysqls.values(), ...others];
      mysqls.clear();
      kafka = undefined;
      sourceKafka = undefined;
      elasticsearch = undefined;
      await Promise.allSettled(all.map(async (service) => (await service).stop()));
    },
  };
}

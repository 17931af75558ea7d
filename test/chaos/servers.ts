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
  elasticsearch(): Promise<ElasticsearchService>;
  /** Stops them all; a later round starts them anew. */
  stop(): Promise<void>;
};

export function chaosServers(): Servers {
  const mysqls = new Map<MysqlFlavor, Promise<MysqlService>>();
  let kafka: Promise<KafkaService> | undefined;
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
    elasticsearch() {
      elasticsearch ??= startElasticsearch();
      return elasticsearch;
    },
    async stop() {
      const others = [kafka, elasticsearch].filter((one) => one !== undefined);
      const all = [...mysqls.values(), ...others];
      mysqls.clear();
      kafka = undefined;
      elasticsearch = undefined;
      await Promise.allSettled(all.map(async (service) => (await service).stop()));
    },
  };
}

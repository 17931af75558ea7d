import {
  type KafkaService,
  type MysqlFlavor,
  type MysqlService,
  startKafka,
  startMysql,
} from "../services/index.ts";

/** The servers of all rounds, each started when a round first needs it. */
export type Servers = {
  mysql(flavor: MysqlFlavor): Promise<MysqlService>;
  kafka(): Promise<KafkaService>;
  /** Stops them all; a later round starts them anew. */
  stop(): Promise<void>;
};

export function chaosServers(): Servers {
  const mysqls = new Map<MysqlFlavor, Promise<MysqlService>>();
  let kafka: Promise<KafkaService> | undefined;
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
    async stop() {
      const all = [...mysqls.values(), ...(kafka === undefined ? [] : [kafka])];
      mysqls.clear();
      kafka = undefined;
      await Promise.allSettled(all.map(async (service) => (await service).stop()));
    },
  };
}

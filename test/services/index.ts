export {
  type ElasticsearchOptions,
  type ElasticsearchService,
  startElasticsearch,
} from "./elasticsearch.ts";
export { type KafkaBroker, type KafkaOptions, type KafkaService, startKafka } from "./kafka.ts";
export {
  type MysqlAddress,
  type MysqlFlavor,
  type MysqlOptions,
  type MysqlService,
  startMysql,
} from "./mysql.ts";
export {
  type ElasticsearchAddress,
  type KafkaAddress,
  sharedElasticsearch,
  sharedKafka,
  sharedMysql,
} from "./shared.ts";
export { type Proxy, startToxiproxy, type Toxic, type ToxiproxyService } from "./toxiproxy.ts";
export {
  type Running,
  type ServiceName,
  type ServiceTests,
  useServices,
  useStarted,
} from "./use-services.ts";
export {
  startZookeeper,
  startZookeeperEnsemble,
  type ZookeeperEnsemble,
  type ZookeeperOptions,
  type ZookeeperService,
} from "./zookeeper.ts";

import type { ElasticsearchService, KafkaService, MysqlService } from "../services/index.ts";
import type { FaultProxy } from "../support/fault-proxy.ts";
import type { DaemonKeeper } from "./daemon-keeper.ts";
import type { FillableDisk } from "./fillable-disk.ts";
import type { Journal } from "./journal.ts";

/** All that a fault can lay hands on. */
export type Stage = {
  readonly daemon: DaemonKeeper;
  readonly mysql: MysqlService;
  readonly kafka: KafkaService | undefined;
  readonly elasticsearch: ElasticsearchService | undefined;
  readonly mysqlProxy: FaultProxy;
  readonly kafkaProxy: FaultProxy | undefined;
  readonly esProxy: FaultProxy | undefined;
  readonly disk: FillableDisk | undefined;
  readonly journal: Journal;
};

import type { FuzzTarget } from "./fuzz-target.ts";
import { adminRequests } from "./targets/admin-requests.ts";
import { binlogEvents } from "./targets/binlog-events.ts";
import { configFiles } from "./targets/config-files.ts";
import { httpBodies } from "./targets/http-bodies.ts";
import { kafkaConsumer } from "./targets/kafka-consumer.ts";
import { kafkaResponses } from "./targets/kafka-responses.ts";
import { lines } from "./targets/lines.ts";
import { mysqlPackets } from "./targets/mysql-packets.ts";

export const targets: readonly FuzzTarget[] = [
  configFiles,
  adminRequests,
  mysqlPackets,
  binlogEvents,
  lines,
  httpBodies,
  kafkaResponses,
  kafkaConsumer,
];

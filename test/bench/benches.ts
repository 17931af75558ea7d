import type { Bench } from "./bench.ts";
import { decodeBench } from "./decode.ts";
import { dryrun } from "./dryrun.ts";
import { esOut } from "./es-out.ts";
import { kafkaIn, kafkaOut, mirror } from "./kafka.ts";
import { latency } from "./latency.ts";
import { mysqlKafka } from "./mysql-kafka.ts";
import { rebalance } from "./rebalance.ts";
import { spill } from "./spill.ts";
import { takeover } from "./takeover.ts";

/** Every bench, in the order in which they are listed. */
export const benches: readonly Bench[] = [
  dryrun,
  mysqlKafka,
  esOut,
  latency,
  decodeBench,
  rebalance,
  takeover,
  kafkaIn,
  mirror,
  kafkaOut,
  spill,
];

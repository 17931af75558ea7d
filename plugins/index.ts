import type { Plugin } from "#plugin";
import { countFilter } from "./filter/count/count-filter.ts";
import { dedupeFilter } from "./filter/dedupe/dedupe-filter.ts";
import { dropFilter } from "./filter/drop/drop-filter.ts";
import { hashFilter } from "./filter/hash/hash-filter.ts";
import { maskFilter } from "./filter/mask/mask-filter.ts";
import { mockFilter } from "./filter/mock/mock-filter.ts";
import { mysqlbinlogFilter } from "./filter/mysqlbinlog/mysqlbinlog-filter.ts";
import { pickFilter } from "./filter/pick/pick-filter.ts";
import { regexFilter } from "./filter/regex/regex-filter.ts";
import { renameFilter } from "./filter/rename/rename-filter.ts";
import { routeFilter } from "./filter/route/route-filter.ts";
import { sampleFilter } from "./filter/sample/sample-filter.ts";
import { scriptFilter } from "./filter/script/script-filter.ts";
import { splitFilter } from "./filter/split/split-filter.ts";
import { throttleFilter } from "./filter/throttle/throttle-filter.ts";
import { whereFilter } from "./filter/where/where-filter.ts";
import { binlogFileInput } from "./input/binlog-file/binlog-file-input.ts";
import { httpInput } from "./input/http/http-input.ts";
import { kafkaInput } from "./input/kafka/kafka-input.ts";
import { mockInput } from "./input/mock/mock-input.ts";
import { mysqlbinlogInput } from "./input/mysqlbinlog/mysqlbinlog-input.ts";
import { streamInput } from "./input/stream/stream-input.ts";
import { esOutput } from "./output/es/es-output.ts";
import { kafkaOutput } from "./output/kafka/kafka-output.ts";
import { mockOutput } from "./output/mock/mock-output.ts";
import { streamOutput } from "./output/stream/stream-output.ts";

/** The plugins that dbus brings along: one line each, nothing is found by itself. */
export const builtins: readonly Plugin[] = [
  binlogFileInput,
  httpInput,
  kafkaInput,
  mockInput,
  mysqlbinlogInput,
  streamInput,
  countFilter,
  dedupeFilter,
  dropFilter,
  hashFilter,
  maskFilter,
  mockFilter,
  mysqlbinlogFilter,
  pickFilter,
  regexFilter,
  renameFilter,
  routeFilter,
  sampleFilter,
  scriptFilter,
  splitFilter,
  throttleFilter,
  whereFilter,
  esOutput,
  kafkaOutput,
  mockOutput,
  streamOutput,
];

import type { Plugin } from "#plugin";
import { mockFilter } from "./filter/mock/mock-filter.ts";
import { mysqlbinlogFilter } from "./filter/mysqlbinlog/mysqlbinlog-filter.ts";
import { binlogFileInput } from "./input/binlog-file/binlog-file-input.ts";
import { httpInput } from "./input/http/http-input.ts";
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
  mockInput,
  mysqlbinlogInput,
  streamInput,
  mockFilter,
  mysqlbinlogFilter,
  esOutput,
  kafkaOutput,
  mockOutput,
  streamOutput,
];

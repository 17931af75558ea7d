import type { Builtin } from "#src/plugin/builtin.ts";

type Load = Builtin["load"];

const input = (name: string, load: Load): Builtin => ({ kind: "input", name, load });
const filter = (name: string, load: Load): Builtin => ({ kind: "filter", name, load });
const output = (name: string, load: Load): Builtin => ({ kind: "output", name, load });

/** The plugins that dbus brings along: one line each, nothing is found by itself. */
export const builtins: readonly Builtin[] = [
  input("BinlogFileInput", () => import("./input/binlog-file/binlog-file-input.ts")),
  input("HttpInput", () => import("./input/http/http-input.ts")),
  input("KafkaInput", () => import("./input/kafka/kafka-input.ts")),
  input("MockInput", () => import("./input/mock/mock-input.ts")),
  input("MysqlbinlogInput", () => import("./input/mysqlbinlog/mysqlbinlog-input.ts")),
  input("StreamInput", () => import("./input/stream/stream-input.ts")),
  filter("CountFilter", () => import("./filter/count/count-filter.ts")),
  filter("DedupeFilter", () => import("./filter/dedupe/dedupe-filter.ts")),
  filter("DropFilter", () => import("./filter/drop/drop-filter.ts")),
  filter("HashFilter", () => import("./filter/hash/hash-filter.ts")),
  filter("MaskFilter", () => import("./filter/mask/mask-filter.ts")),
  filter("MockFilter", () => import("./filter/mock/mock-filter.ts")),
  filter("MysqlbinlogFilter", () => import("./filter/mysqlbinlog/mysqlbinlog-filter.ts")),
  filter("PickFilter", () => import("./filter/pick/pick-filter.ts")),
  filter("RegexFilter", () => import("./filter/regex/regex-filter.ts")),
  filter("RenameFilter", () => import("./filter/rename/rename-filter.ts")),
  filter("RouteFilter", () => import("./filter/route/route-filter.ts")),
  filter("SampleFilter", () => import("./filter/sample/sample-filter.ts")),
  filter("ScriptFilter", () => import("./filter/script/script-filter.ts")),
  filter("SplitFilter", () => import("./filter/split/split-filter.ts")),
  filter("ThrottleFilter", () => import("./filter/throttle/throttle-filter.ts")),
  filter("WhereFilter", () => import("./filter/where/where-filter.ts")),
  output("EsOutput", () => import("./output/es/es-output.ts")),
  output("KafkaOutput", () => import("./output/kafka/kafka-output.ts")),
  output("MockOutput", () => import("./output/mock/mock-output.ts")),
  output("StreamOutput", () => import("./output/stream/stream-output.ts")),
];

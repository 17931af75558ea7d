import { z } from "zod";
import { defineInput } from "#plugin";
import { mysqlPositionSchema } from "#src/clients/mysql/binlog/position.ts";
import { everything, tableFilter } from "#src/clients/mysql/table-patterns.ts";
import { createFileRun, type FileRun, runFiles } from "./file-run.ts";

const pattern = z.string().min(1).max(200);

function patterns(what: string) {
  return z
    .union([
      z.array(pattern).min(1),
      z.strictObject({
        include: z.array(pattern).min(1).default(["*"]).describe(`${what} that are read`),
        exclude: z.array(pattern).default([]).describe(`${what} of these that are not`),
      }),
    ])
    .optional();
}

const configSchema = z.strictObject({
  files: z
    .array(z.string().min(1).max(4096))
    .min(1)
    .max(1000)
    .describe("paths; * ? [] {} in the last part, e.g. /var/lib/mysql/binlog.[0-9]*"),
  follow: z
    .boolean()
    .default(false)
    .describe("wait for more at the end, and for the next file, instead of ending"),
  pollMs: z.int().min(10).max(60_000).default(500).describe("how often to look for more"),
  databases: patterns("databases").describe("patterns such as shop, or {include, exclude}"),
  tables: patterns("tables").describe("patterns such as shop.*, or {include, exclude}"),
  eventBytesMax: z
    .int()
    .min(65_536)
    .max(2 ** 30)
    .default(65 * 2 ** 20)
    .describe("a larger event stops the input"),
});

type Config = z.output<typeof configSchema>;

/**
 * Rows out of binlog files of MySQL 5.7 and later or MariaDB 10.4 and later, as they lie on disk.
 * Column names must be in them (`binlog_row_metadata=FULL`): there is no server to ask.
 */
export const binlogFileInput = defineInput<Config, FileRun>({
  name: "BinlogFileInput",
  summary: "Rows inserted, updated and deleted, out of binlog files on disk",
  configSchema,
  everywhere: true,
  positionSchema: mysqlPositionSchema,
  memory: ({ eventBytesMax }) => ({ buffers: 8 << 20, packetBytesMax: eventBytesMax }),
  open: (context, config) =>
    createFileRun(context, {
      files: config.files,
      pollMs: config.follow ? config.pollMs : undefined,
      filter: tableFilter(patternsOf(config.databases), patternsOf(config.tables)),
      eventBytesMax: config.eventBytesMax,
    }),
  run: runFiles,
});

function patternsOf(given: Config["tables"]) {
  if (given === undefined) return everything;
  return Array.isArray(given) ? { include: given, exclude: [] } : given;
}

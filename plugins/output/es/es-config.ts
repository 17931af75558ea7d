import { z } from "zod";
import { esConnectionFields } from "#src/clients/elasticsearch/connection-config.ts";
import { checkIndexTemplate, checkTemplate } from "./templates.ts";

function template(check: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const wrong = check(text);
    if (wrong !== undefined) context.addIssue({ code: "custom", message: wrong });
  });
}

const createIndicesSchema = z.strictObject({
  shards: z.int().min(1).optional().describe("primary shards; Elasticsearch's default without it"),
  replicas: z.int().min(0).optional().describe("replicas of each; the default without it"),
  dynamic: z
    .enum(["true", "false", "strict", "runtime"])
    .optional()
    .describe("what becomes of a column that has no mapping: mapped, left out, or refused"),
  mappings: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("mappings of a new index as Elasticsearch takes them, e.g. {properties: {...}}"),
  settings: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("settings of a new index, e.g. {index.refresh_interval: 30s}"),
});

export const esOutputSchema = z.strictObject({
  ...esConnectionFields,
  index: template(checkIndexTemplate)
    .default("${db}.${tbl}")
    .describe(
      "index of a packet: ${db} and ${tbl} of its row, ${row.NAME} its column NAME (of a JSON document its field), ${ident} of the packet. What is no row and has no db goes to ${ident}. Letters become small, and characters that an index may not have become _. It may be an alias of one index",
    ),
  id: template(checkTemplate)
    .optional()
    .describe(
      "_id of a document. Without it the primary key: the digits of one whole number, else its JSON as base64url, or the SHA-256 of that where it is longer than 512 bytes; of a record its key, as base64url behind a ~ where it has more than letters, digits and ._-; of anything else one that is made up",
    ),
  routing: template(checkTemplate)
    .optional()
    .describe("routing of a document, e.g. ${row.customer_id}; null routes by _id"),
  pipeline: template(checkTemplate)
    .optional()
    .describe("ingest pipeline of a document; null takes the index's own"),
  keyColumns: z
    .record(z.string(), z.array(z.string()).min(1))
    .default({})
    .describe("key columns by db.table, for tables whose key is not their primary key"),
  versions: z
    .enum(["position", "none"])
    .default("position")
    .describe(
      "position: a row's place in its log is the external version of its document, so that what comes twice or late never overwrites what is newer; what has no such place has no version. none: the last write wins",
    ),
  lineageIndex: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,200}$/, "an index is small letters, digits, . _ and -")
    .default("dbus-lineages")
    .describe(
      "index that keeps which servers the versions of each index come from; it must live as long as they do",
    ),
  createIndices: z
    .union([z.literal(false), createIndicesSchema])
    .default({ mappings: {}, settings: {} })
    .describe("how to create an index that is missing, or false: then its documents wait for it"),
  gcDeletes: z
    .string()
    .regex(/^\d+(ms|s|m|h|d)$/, "write a time as Elasticsearch does, e.g. 1h")
    .default("1h")
    .describe(
      "how long a deleted document's version is kept (index.gc_deletes) in an index that is created; one that has less is warned of. What comes later than that could bring a deleted row back",
    ),
  bigint: z
    .enum(["number", "string"])
    .default("number")
    .describe("BIGINT as JSON digits, or as strings; above 2^63 a long field takes neither"),
  dates: z
    .enum(["iso", "sql"])
    .default("iso")
    .describe(
      "iso: 2026-11-23T20:14:07, which becomes a date field, and null for 0000-00-00; sql: as MySQL shows them",
    ),
  json: z
    .enum(["value", "text"])
    .default("value")
    .describe(
      "JSON columns as the objects and lists that they hold, whose fields must then have one type in all rows, or as text",
    ),
  bulkBytesMax: z
    .int()
    .min(1024)
    .default(5 * 1024 * 1024)
    .describe("bytes of one bulk request; less while the cluster says that it is busy"),
});

export type EsOutputConfig = z.infer<typeof esOutputSchema>;

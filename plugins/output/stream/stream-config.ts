import { isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { formatNames } from "#src/format/format.ts";

const mib = 1024 * 1024;

export const streamConfig = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe("The file to append to. Default: <state.dir>/<name>/<name>.ndjson."),
    folder: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe("Instead of one file: a file <ident>.ndjson for each ident in this folder."),
    stdout: z.literal(true).optional().describe("Write to standard output instead of a file."),
    connect: z
      .strictObject({
        host: z.string().min(1).describe("The host to connect to."),
        port: z.int().min(1).max(65_535).describe("Its port."),
        timeoutMs: z
          .int()
          .min(1)
          .max(600_000)
          .default(10_000)
          .describe("How long connecting, and taking a batch, may last."),
      })
      .optional()
      .describe(
        "Write to a TCP peer instead. TCP tells nobody what the peer has read: what was on its " +
          "way when a connection breaks may be lost, or come twice.",
      ),
    format: z.enum(formatNames).default("row").describe("How changes of rows are written."),
    bigint: z
      .enum(["number", "string"])
      .default("number")
      .describe("BIGINT as the exact digits of a JSON number, or as a string."),
    lines: z
      .enum(["json", "raw"])
      .default("json")
      .describe(
        "json: every line is JSON, text becomes a JSON string and bytes an object with base64. " +
          "raw: text and bytes stand as they are.",
      ),
    fsync: z
      .enum(["batch", "none"])
      .default("batch")
      .describe("batch: a packet counts as written when its file has been synced to the disk."),
    rotate: z
      .strictObject({
        bytesMax: z
          .int()
          .min(1)
          .max(Number.MAX_SAFE_INTEGER)
          .default(100 * mib)
          .describe("A file is put aside before it would grow beyond this."),
        filesMax: z
          .int()
          .min(1)
          .max(100_000)
          .default(10)
          .describe("Files put aside that are kept; older ones are deleted."),
      })
      .optional()
      .describe("Puts full files aside as <file>.000001 and so on. Default: one file that grows."),
  })
  .superRefine(({ file, folder, stdout, connect, rotate }, { addIssue }) => {
    const targets = [file, folder, stdout, connect].filter((target) => target !== undefined);
    if (targets.length > 1) {
      addIssue({ code: "custom", message: "name only one of file, folder, stdout and connect" });
    }
    if (rotate && (stdout || connect)) {
      addIssue({ code: "custom", path: ["rotate"], message: "only files are rotated" });
    }
  });

export type StreamConfig = z.infer<typeof streamConfig>;

/** The file of an output called `name`; a relative path starts at the working directory. */
export function fileOf(config: StreamConfig, stateDir: string, name: string): string {
  if (config.file === undefined) return resolve(join(stateDir, name, `${name}.ndjson`));
  return isAbsolute(config.file) ? config.file : resolve(config.file);
}

import { z } from "zod";

const port = (min: number) => z.int().min(min).max(65_535);

export const streamInputConfig = z
  .strictObject({
    file: z.string().min(1).max(4096).optional().describe("The file to read."),
    follow: z
      .boolean()
      .default(false)
      .describe(
        "Waits for more at the end of the file, and goes on with the next one when it is rotated.",
      ),
    pollMs: z
      .int()
      .min(1)
      .max(60_000)
      .default(200)
      .describe("How often a file or pipe is asked for more."),
    pipe: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe("The named pipe to read; it goes on with the next writer when one has ended."),
    stdin: z.literal(true).optional().describe("Read standard input to its end."),
    listen: z
      .strictObject({
        host: z.string().min(1).default("127.0.0.1").describe("The address to listen on."),
        port: port(0).describe("The port; 0 takes any free one."),
        connectionsMax: z
          .int()
          .min(1)
          .max(10_000)
          .default(64)
          .describe("Peers at the same time; more are turned away."),
      })
      .optional()
      .describe("Take TCP connections. There is no login: keep it to networks that you trust."),
    connect: z
      .strictObject({
        host: z.string().min(1).describe("The host to connect to."),
        port: port(1).describe("Its port."),
      })
      .optional()
      .describe("Connect to a TCP peer, again and again when it goes away."),
    command: z
      .array(z.string().max(32_768))
      .min(1)
      .max(1000)
      .optional()
      .describe("The program to start, with its arguments; its output is read. No shell is used."),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
      .default({})
      .describe("More environment for the command, which gets only PATH, HOME, USER, LANG and TZ."),
    restart: z
      .enum(["failure", "always", "never"])
      .default("failure")
      .describe("When the command is started again: when it fails, whenever it ends, or never."),
    lines: z
      .enum(["text", "ndjson"])
      .default("text")
      .describe(
        "text: any line. ndjson: every line is a JSON document, empty lines are passed over.",
      ),
    lineBytesMax: z
      .int()
      .min(1)
      .max(64 << 20)
      .default(1 << 20)
      .describe("The longest line, in bytes."),
    onInvalid: z
      .enum(["bytes", "fail"])
      .default("bytes")
      .describe(
        "What becomes of a line that is too long, torn, not UTF-8 or not JSON. bytes: it is passed " +
          "on as it is, as bytes, with the reason in the header dbus-error. fail: the input stops.",
      ),
    invalidIdent: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .describe("The ident of such lines. Default: the entry's own ident."),
    backoff: z
      .strictObject({
        minMs: z.int().min(1).max(3_600_000).default(200).describe("The first pause."),
        maxMs: z.int().min(1).max(3_600_000).default(30_000).describe("The longest pause."),
      })
      .prefault({})
      .describe("The pause before a peer is connected to or a command started again; it doubles."),
  })
  .superRefine((config, { addIssue }) => {
    const given = sources.filter((source) => config[source] !== undefined);
    if (given.length !== 1) {
      addIssue({ code: "custom", message: `name one of ${sources.join(", ")}` });
    }
    if (config.follow && config.file === undefined) {
      addIssue({ code: "custom", path: ["follow"], message: "only a file can be followed" });
    }
  });

const sources = ["file", "pipe", "stdin", "listen", "connect", "command"] as const;

export type StreamInputConfig = z.infer<typeof streamInputConfig>;

/** Where in a file reading goes on, and which file that is whatever its name is by then. */
export const filePosition = z.strictObject({
  file: z.strictObject({
    device: z.int().min(0),
    inode: z.int().min(0),
    /** The checksum of the first `headBytes` bytes, since inode numbers are used again. */
    head: z.int().min(0),
    headBytes: z.int().min(0),
  }),
  offset: z.int().min(0),
});

export type FilePosition = z.infer<typeof filePosition>;

/** A source that cannot be read again only has a count of its lines. */
export const streamPosition = z.union([filePosition, z.strictObject({ lines: z.int().min(0) })]);

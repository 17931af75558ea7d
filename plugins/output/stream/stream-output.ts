import { resolve } from "node:path";
import { DbusError, defineOutput, type Packet, toDbusError, type Verdict } from "#plugin";
import { createFormat } from "#src/format/format.ts";
import { openFileSink } from "./file-sink.ts";
import { createLineEncoder, type LineEncoder } from "./line-encoder.ts";
import type { Sink } from "./sink.ts";
import { createSinkFolder, type SinkFolder } from "./sink-folder.ts";
import { openStdoutSink } from "./stdout-sink.ts";
import { fileOf, type StreamConfig, streamConfig } from "./stream-config.ts";
import { openTcpSink } from "./tcp-sink.ts";

/*
 * Writes packets as lines, one JSON document each, to a file, to standard output or to a TCP peer.
 * A batch is one write; a packet is done when its line is whole in the file and, with fsync: batch,
 * on the disk.
 */
type State =
  | { readonly sink: Sink; readonly encode: LineEncoder }
  | { readonly folder: SinkFolder; readonly encode: LineEncoder };

export const streamOutput = defineOutput<StreamConfig, State>({
  name: "StreamOutput",
  summary: "Writes newline-delimited JSON to a file, standard output or a TCP peer.",
  configSchema: streamConfig,
  // Whoever reads a pipe or a terminal may take a day; what cannot hang ends by itself.
  defaults: { retry: { times: 3, delayMs: 200, delayMsMax: 5000 }, timeoutMs: 0 },
  // The values as JSON, the lines, and the lines as one buffer.
  memory: () => ({ copies: 4 }),
  async open(context, config) {
    const encode = createLineEncoder(
      createFormat(config.format, { bigint: config.bigint, sourceName: context.name }),
      config.lines,
    );
    if (config.stdout) return { sink: openStdoutSink(context), encode };
    if (config.connect) return { sink: openTcpSink(config.connect, context), encode };
    const { fsync, rotate } = config;
    const { log } = context;
    const within = (config.file ?? config.folder) === undefined ? context.stateDir : undefined;
    const openAt = (path: string) => openFileSink({ path, within, fsync, rotate, log });
    if (config.folder !== undefined) {
      const folder = resolve(config.folder);
      log.info("writing lines, a file for each ident", { output: context.name, folder });
      return { folder: createSinkFolder(folder, openAt), encode };
    }
    const path = fileOf(config, context.stateDir, context.name);
    const sink = await openAt(path);
    log.info("writing lines", { output: context.name, path });
    return { sink, encode };
  },
  async write(state, packets) {
    if ("sink" in state) return writeAll(state.sink, state.encode, packets);
    const verdicts: Verdict[] = packets.map(() => "done");
    const ofIdents = Map.groupBy(packets.keys(), (index) => packets[index]?.ident ?? "");
    for (const [ident, indexes] of ofIdents) {
      const own = indexes.map((index) => packets[index] as Packet);
      const found = await writeOne(state, ident, own);
      for (const [at, verdict] of found?.entries() ?? []) verdicts[indexes[at] ?? 0] = verdict;
    }
    return verdicts.every((verdict) => verdict === "done") ? undefined : verdicts;
  },
  close: (state) => ("sink" in state ? state.sink.close() : state.folder.close()),
});

/** What fails for one file is tried again for its packets alone. */
async function writeOne(
  { folder, encode }: Extract<State, { readonly folder: SinkFolder }>,
  ident: string,
  packets: readonly Packet[],
): Promise<readonly Verdict[] | undefined> {
  try {
    return await writeAll(await folder.of(ident), encode, packets);
  } catch (thrown) {
    const error = toDbusError(thrown, "STREAM_UNWRITABLE");
    const lost = error.code === "FORMAT_VALUE";
    return packets.map(() => (lost ? { failed: error } : { retryAfterMs: 0, error }));
  }
}

async function writeAll(
  sink: Sink,
  encode: LineEncoder,
  packets: readonly Packet[],
): Promise<readonly Verdict[] | undefined> {
  const verdicts: Verdict[] = packets.map(() => "done");
  const lines = encodeAll(packets, encode, verdicts);
  let first = 0;
  try {
    while (first < lines.length) {
      const end = fitting(lines, first, sink.room());
      if (end === first) {
        await sink.rotate();
        const room = Math.max(sink.room(), sizeOf(lines[first]));
        const fits = fitting(lines, first, room);
        await writeLines(sink, lines.slice(first, fits));
        first = fits;
      } else {
        await writeLines(sink, lines.slice(first, end));
        first = end;
      }
    }
  } catch (thrown) {
    // What was written before stays done, and is not written twice.
    const error = toDbusError(thrown, "STREAM_UNWRITABLE");
    if (first === 0) throw error;
    for (const { index } of lines.slice(first)) verdicts[index] = { retryAfterMs: 0, error };
  }
  return verdicts.every((verdict) => verdict === "done") ? undefined : verdicts;
}

type Line = { readonly index: number; readonly line: string | Buffer };

/** The lines of those packets that have one; the others are refused for good, with the reason. */
function encodeAll(packets: readonly Packet[], encode: LineEncoder, verdicts: Verdict[]): Line[] {
  const lines: Line[] = [];
  packets.forEach((packet, index) => {
    try {
      lines.push({ index, line: encode(packet) });
    } catch (error) {
      if (!(error instanceof DbusError)) throw error;
      verdicts[index] = { failed: error };
    }
  });
  return lines;
}

/** How far the lines from `first` on fit into `room`. */
function fitting(lines: readonly Line[], first: number, room: number): number {
  if (room === Number.POSITIVE_INFINITY) return lines.length;
  let end = first;
  for (let left = room; end < lines.length; end++) {
    left -= sizeOf(lines[end]);
    if (left < 0) break;
  }
  return end;
}

function sizeOf(line: Line | undefined): number {
  return line === undefined ? 0 : Buffer.byteLength(line.line);
}

function writeLines(sink: Sink, lines: readonly Line[]): Promise<void> {
  const strings: string[] = [];
  for (const { line } of lines) if (typeof line === "string") strings.push(line);
  // One conversion for all of them costs less than one for each.
  if (strings.length === lines.length) return sink.write(Buffer.from(strings.join("")));
  const [only] = lines;
  if (lines.length === 1 && Buffer.isBuffer(only?.line)) return sink.write(only.line);
  return sink.write(
    Buffer.concat(lines.map(({ line }) => (typeof line === "string" ? Buffer.from(line) : line))),
  );
}

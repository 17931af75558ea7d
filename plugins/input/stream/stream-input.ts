import { defineInput } from "#plugin";
import { runStdin } from "./byte-source.ts";
import { runCommand } from "./command-source.ts";
import { runFile } from "./file-source.ts";
import { runPipe } from "./pipe-source.ts";
import { runConnect, runListen } from "./socket-source.ts";
import {
  type StreamInputConfig,
  streamInputConfig,
  streamPosition,
} from "./stream-input-config.ts";

/*
 * Reads lines, or a JSON document a line, from wherever a stream of bytes comes from. A file is
 * read again from its position, under whatever name it has by then. The other sources cannot be
 * read again: lines that were read and not delivered are lost when the process is killed.
 */
export const streamInput = defineInput<StreamInputConfig, StreamInputConfig>({
  name: "StreamInput",
  summary: "Reads lines or JSON from a file, a pipe, standard input, TCP or a command.",
  configSchema: streamInputConfig,
  everywhere: true,
  idents: ({ invalidIdent }, ident) => (invalidIdent ? [ident, invalidIdent] : [ident]),
  positionSchema: streamPosition,
  // A line that has not come to its end, the chunk at hand, and the lines of that one.
  memory: ({ lineBytesMax, listen }) => ({
    buffers: (listen?.connectionsMax ?? 1) * (2 * lineBytesMax + (1 << 20)),
    packetBytesMax: lineBytesMax,
  }),
  open: (_, config) => config,
  async run(config, context) {
    if (config.file !== undefined) return runFile(config.file, config, context);
    if (config.pipe !== undefined) return runPipe(config.pipe, config, context);
    if (config.listen) return runListen(config.listen, config, context);
    if (config.connect) return runConnect(config.connect, config, context);
    if (config.command) return runCommand(config.command, config, context);
    return runStdin(config, context);
  },
});

import { existsSync } from "node:fs";
import { z } from "zod";
import { defineOutput } from "#plugin";

const configSchema = z.strictObject({
  gate: z.string().describe("Nothing is taken until this file is there."),
});

/** A sink that is down until a file is there, and then as fast as can be. */
export const gatedOutput = defineOutput({
  name: "GatedOutput",
  summary: "Takes nothing until a file is there.",
  configSchema,
  open: (_context, { gate }) => ({ gate, isOpen: false }),
  write(sink, packets) {
    sink.isOpen ||= existsSync(sink.gate);
    if (sink.isOpen) return undefined;
    const error = new Error("the gate is closed");
    return packets.map(() => ({ retryAfterMs: 10, error }));
  },
});

import { z } from "zod";
import { DbusError, defineFilter, type FilterContext, type Packet } from "#plugin";
import { asPart } from "#src/format/packet-parts.ts";
import { type Change, changeOf, packetOfChange } from "./change.ts";

/*
 * Gives each packet to a function of a TypeScript file. The function gets a change it may alter or
 * replace, and answers with it, with several, or with nothing. What it throws sends the packet to
 * the dead letters; it may be asynchronous, and timeoutMs of the entry bounds a call.
 */
const configSchema = z.strictObject({
  file: z
    .string()
    .regex(/^\.{1,2}\//, "a path that starts with ./, in the config's folder or below it")
    .max(1024)
    .describe("The TypeScript file, in the config's folder or below it: ./clean-orders.ts"),
  function: z
    .string()
    .regex(/^[A-Za-z_$][\w$]*$/)
    .max(256)
    .default("filter")
    .describe("The name of the function that it exports."),
  idents: z
    .array(z.string().min(1).max(256))
    .min(1)
    .max(1_000)
    .optional()
    .describe("The idents that changes may be given, * allowed. Default: the entry's own ident."),
  args: z
    .record(z.string().max(256), z.union([z.string(), z.number(), z.boolean()]))
    .default({})
    .describe("Values that the function finds in `context.args`."),
});

type Config = z.infer<typeof configSchema>;
type Answer = Change | readonly Change[] | Iterable<Change> | null | undefined;
type ScriptContext = Pick<FilterContext, "name" | "log" | "clock" | "stateDir" | "signal"> & {
  readonly args: Config["args"];
};
type Script = (change: Change, context: ScriptContext) => Answer | Promise<Answer>;
type State = { readonly script: Script; readonly context: ScriptContext; readonly ident: string };

export const scriptFilter = defineFilter<Config, State>({
  name: "ScriptFilter",
  summary: "Gives each packet to a function of a TypeScript file.",
  configSchema,
  files: ({ file }) => [file],
  idents: ({ idents }, ident) => idents ?? [ident],
  async open(context, config) {
    const { name, log, clock, stateDir, signal, ident } = context;
    const script = (await context.load(config.file))[config.function];
    if (typeof script !== "function") {
      const message = `${config.file} exports no function ${config.function}`;
      throw new DbusError("PLUGIN_LOAD", message, {
        remedy: `write: export function ${config.function}(change) { return change; }`,
      });
    }
    const own = { name, log, clock, stateDir, signal, args: config.args };
    return { script: script as Script, context: own, ident };
  },
  apply({ script, context, ident }, packet) {
    const answer = script(changeOf(packet, ident), context);
    return answer instanceof Promise
      ? answer.then((later) => packetsOf(later, packet, ident))
      : packetsOf(answer, packet, ident);
  },
});

function packetsOf(
  answer: Answer,
  packet: Packet,
  ident: string,
): Packet | Iterable<Packet> | null {
  if (answer === null || answer === undefined) return null;
  if (typeof answer !== "object") {
    throw new DbusError("FILTER_FAILED", `the function gave ${typeof answer}, and not a change`);
  }
  return "kind" in answer
    ? packetOfChange(answer, packet, ident)
    : several(answer as Iterable<Change>, packet, ident);
}

/** One by one, so that a generator is asked for the next when there is room for it. */
function* several(all: Iterable<Change>, packet: Packet, ident: string): Generator<Packet> {
  let count = 0;
  for (const change of all) yield asPart(packetOfChange(change, packet, ident), packet, count++);
}

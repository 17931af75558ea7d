import { z } from "zod";
import { DbusError, defineFilter, type Packet, type Payload } from "#plugin";
import { type ExactJson, exactText } from "#src/format/exact-json.ts";
import { missing, objectOf } from "#src/format/field-edit.ts";
import { fieldAt, withField } from "#src/format/field-path.ts";
import { asPart, jsonIn, jsonPacket, textPacket } from "#src/format/packet-parts.ts";

/*
 * Makes several packets of one: one for each element of a list in a JSON object, or for each part
 * of a text. They are made one by one as there is room for them, however many there are.
 */
const configSchema = z
  .strictObject({
    field: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .describe("The field of a JSON object that holds the list; a.b is b of the object at a."),
    whole: z
      .boolean()
      .default(false)
      .describe("Each packet is the whole object with one element in the list's place."),
    separator: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .describe("What stands between the parts of a text. Empty parts are left out."),
  })
  .refine(({ field, separator }) => (field === undefined) !== (separator === undefined), {
    message: "name a field, or a separator",
  });

type Config = z.infer<typeof configSchema>;
type State = { readonly config: Config; readonly ident: string };

export const splitFilter = defineFilter<Config, State>({
  name: "SplitFilter",
  summary: "Makes several packets of one: of a list, or of a text.",
  configSchema,
  open: ({ ident }, config) => ({ config, ident }),
  apply({ config, ident }, packet) {
    const { separator, field = "" } = config;
    return separator === undefined
      ? elements(packet, ident, { field, whole: config.whole })
      : parts(packet, ident, separator);
  },
});

function parts(packet: Packet, ident: string, separator: string): Iterable<Packet> {
  const { payload } = packet;
  if (payload.kind !== "text") throw unfit(payload, "a text");
  const texts = payload.text.split(separator).filter((text) => text !== "");
  return mapped(packet, texts, (text) => textPacket(text, packet, ident));
}

type List = { readonly field: string; readonly whole: boolean };

function elements(packet: Packet, ident: string, { field, whole }: List): Iterable<Packet> {
  const { payload } = packet;
  const json = jsonIn(packet);
  if (json === undefined) throw unfit(payload, "a JSON object");
  const object = objectOf(json);
  const list = fieldAt(object, field);
  if (list === undefined) throw missing(field);
  if (!Array.isArray(list)) {
    throw new DbusError("FILTER_FAILED", `the field ${field} is not a list`);
  }
  return mapped(packet, list as readonly ExactJson[], (element) =>
    jsonPacket(exactText(whole ? withField(object, field, element) : element), packet, ident),
  );
}

function unfit({ kind }: Payload, what: string): DbusError {
  return new DbusError("FILTER_FAILED", `a packet of kind ${kind} is not ${what}`);
}

/** One by one, when the bus asks for the next. */
function* mapped<T>(from: Packet, all: readonly T[], make: (one: T) => Packet): Generator<Packet> {
  for (const [i, one] of all.entries()) yield asPart(make(one), from, i);
}

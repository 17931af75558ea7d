import { z } from "zod";
import { DbusError, defineFilter, type Packet, type Value } from "#plugin";
import { exactObject, exactText } from "#src/format/exact-json.ts";
import {
  columnIndex,
  createFieldEditor,
  missing,
  objectOf,
  tableName,
} from "#src/format/field-edit.ts";
import { fieldAt, withField } from "#src/format/field-path.ts";
import { type LinearRegex, linearRegex } from "#src/format/linear-regex.ts";
import { documentPacket, jsonIn, jsonPacket, textPacket, under } from "#src/format/packet-parts.ts";

/*
 * Takes a text apart by a pattern of RE2's syntax, whose time is bounded by the length of the text:
 * named groups become the fields of a document, or what matches is replaced, or what does not
 * match goes no further.
 */
const configSchema = z.strictObject({
  pattern: z
    .string()
    .min(1)
    .max(4_096)
    .superRefine((pattern, context) => {
      try {
        linearRegex(pattern);
      } catch (error) {
        context.addIssue({ code: "custom", message: (error as Error).message });
      }
    })
    .describe("The pattern, in RE2's syntax; it may match anywhere unless it begins with ^."),
  field: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe("The column or field that is looked at. Default: the whole text of a text packet."),
  replacement: z
    .string()
    .max(4_096)
    .optional()
    .describe("What each match is replaced by; $1 and ${name} stand for groups, $$ for $."),
  onNoMatch: z
    .enum(["fail", "drop", "pass"])
    .default("fail")
    .describe("What becomes of a packet in which nothing matches."),
  onMissing: z
    .enum(["fail", "pass"])
    .default("fail")
    .describe("What becomes of a packet without the field, or with NULL there."),
});

type Config = z.infer<typeof configSchema>;
type State = {
  readonly config: Config;
  readonly ident: string;
  readonly regex: LinearRegex;
  /** The packet with the matches in that field replaced. */
  readonly replaced: (packet: Packet) => Packet;
};

export const regexFilter = defineFilter<Config, State>({
  name: "RegexFilter",
  summary: "Takes texts apart by a pattern, replaces in them, or keeps those that match.",
  configSchema,
  single: () => true,
  open: ({ ident }, config) => {
    const regex = linearRegex(config.pattern);
    return { config, ident, regex, replaced: replacer(config, regex, ident) };
  },
  apply({ config, ident, regex, replaced }, packet) {
    const text = textIn(packet, config.field);
    if (text === undefined) {
      if (config.onMissing === "pass") return under(packet, ident);
      throw missing(config.field ?? "text", `a packet of kind ${packet.payload.kind}`);
    }
    const found = regex.match(text);
    if (found === null) {
      if (config.onNoMatch === "drop") return null;
      if (config.onNoMatch === "pass") return under(packet, ident);
      throw new DbusError("FILTER_FAILED", "the pattern does not match");
    }
    if (config.replacement !== undefined) return replaced(packet);
    return regex.names.length === 0 ? under(packet, ident) : extracted(packet, ident, regex, found);
  },
});

function textIn(packet: Packet, field: string | undefined): string | undefined {
  const { payload } = packet;
  if (field === undefined) return payload.kind === "text" ? payload.text : undefined;
  if (payload.kind === "row") {
    const value = (payload.after ?? payload.before)?.[columnIndex(payload.table, field)];
    return typeof value === "string" ? value : undefined;
  }
  const json = jsonIn(packet);
  if (json === undefined) return undefined;
  const value = fieldAt(objectOf(json), field);
  return typeof value === "string" ? value : undefined;
}

function replacer(
  { field, replacement = "" }: Config,
  regex: LinearRegex,
  ident: string,
): (packet: Packet) => Packet {
  const edit = createFieldEditor(
    {
      columns: (table) =>
        table.columns.map((column, from) => {
          if (column.name !== field) return { from, column };
          const convert = (value: NonNullable<Value>) =>
            typeof value === "string" ? regex.replace(value, replacement) : value;
          return { from, column, convert };
        }),
      object(object) {
        const text = fieldAt(object, field ?? "");
        if (typeof text !== "string") return object;
        return withField(object, field ?? "", regex.replace(text, replacement));
      },
    },
    ident,
  );
  return (packet) => {
    if (packet.payload.kind !== "text") return edit(packet);
    return textPacket(regex.replace(packet.payload.text, replacement), packet, ident);
  };
}

/** The named groups as a document, or as further fields of the one that they come from. */
function extracted(
  packet: Packet,
  ident: string,
  { names, groupOf }: LinearRegex,
  found: readonly (string | null)[],
): Packet {
  const { payload } = packet;
  const groups = names.map((name) => [name, found[groupOf(name)] ?? null] as const);
  if (payload.kind === "text") return documentPacket(exactText(exactObject(groups)), packet, ident);
  if (payload.kind === "row") {
    const message = `a row of ${tableName(payload.table)} takes no new columns`;
    throw new DbusError("FILTER_FAILED", message, {
      remedy: "take a pattern without named groups, or a ScriptFilter",
    });
  }
  let object = objectOf(jsonIn(packet) ?? "{}");
  for (const [name, value] of groups) object = withField(object, name, value);
  return jsonPacket(exactText(object), packet, ident);
}

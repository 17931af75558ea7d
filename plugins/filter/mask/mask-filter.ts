import { z } from "zod";
import { type Column, DbusError, defineFilter, type Packet, type Table, type Value } from "#plugin";
import { createFieldEditor, replacing, tableName } from "#src/format/field-edit.ts";
import { columnText, fieldsField, onMissingField } from "#src/format/packet-parts.ts";

/*
 * Hides values: by a text, by NULL, or by a star for each character but the last ones. What is NULL
 * stays so. A column of a primary key cannot be masked, since rows would become one another;
 * HashFilter keeps them apart.
 */
const configSchema = z.strictObject({
  fields: fieldsField,
  with: z
    .string()
    .max(256)
    .nullable()
    .default("***")
    .describe("What stands in place of a value; null makes it NULL."),
  keepLast: z
    .int()
    .min(1)
    .max(64)
    .optional()
    .describe(
      "Shows so many of the last characters and a * for each of the others, in place of `with`. " +
        "Never more than half of the value is shown.",
    ),
  onMissing: onMissingField,
});

type Config = z.infer<typeof configSchema>;
type State = (packet: Packet) => Packet;

export const maskFilter = defineFilter<Config, State>({
  name: "MaskFilter",
  summary: "Hides the values of fields.",
  configSchema,
  single: () => true,
  open: ({ ident }, { fields, onMissing, with: text, keepLast }) => {
    const mask = (value: string) => (keepLast === undefined ? text : starred(value, keepLast));
    const masked = (value: NonNullable<Value>) => mask(columnText(value));
    function column(plain: Column, table: Table, at: number) {
      if (table.primaryKey.includes(at)) throw isKey(tableName(table), plain);
      return { column: asText(plain), convert: masked };
    }
    return createFieldEditor(replacing(fields, onMissing, { column, text: mask }), ident);
  },
  apply: (edit, packet) => edit(packet),
});

/** Characters as people count them, so that no half of one is left. */
function starred(value: string, keepLast: number): string {
  const characters = [...value];
  const shown = Math.min(keepLast, Math.floor(characters.length / 2));
  const from = characters.length - shown;
  return "*".repeat(from) + characters.slice(from).join("");
}

const asText = ({ name }: Column): Column => ({ name, kind: "text", type: "text", nullable: true });

function isKey(table: string, { name }: Column): DbusError {
  const message = `${table}.${name} is of the primary key and cannot be masked`;
  return new DbusError("FILTER_FAILED", message, { remedy: "use a HashFilter for it" });
}

import { z } from "zod";
import { type Column, DbusError, defineFilter, type Packet, type Value } from "#plugin";
import { createFieldEditor, missing, requireColumns, tableName } from "#src/format/field-edit.ts";
import { fieldAt, withField } from "#src/format/field-path.ts";
import { columnText, fieldsField, jsonText, onMissingField } from "#src/format/packet-parts.ts";

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
    const hidden = new Set(fields);
    const fails = onMissing === "fail";
    const mask = (value: string) => (keepLast === undefined ? text : starred(value, keepLast));
    return createFieldEditor(
      {
        columns(table) {
          if (fails) requireColumns(table, fields);
          return table.columns.map((column, from) => {
            if (!hidden.has(column.name)) return { from, column };
            if (table.primaryKey.includes(from)) throw isKey(tableName(table), column);
            const convert = (value: NonNullable<Value>) => mask(columnText(value));
            return { from, column: asText(column), convert };
          });
        },
        object(object) {
          let copy = object;
          for (const name of fields) {
            const value = fieldAt(copy, name);
            if (value === undefined && fails) throw missing(name);
            if (value === undefined || value === null) continue;
            copy = withField(copy, name, mask(jsonText(value)));
          }
          return copy;
        },
      },
      ident,
    );
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

import { z } from "zod";
import { defineFilter, type Packet } from "#plugin";
import { createFieldEditor, missing, requireColumns } from "#src/format/field-edit.ts";
import { fieldAt, withField } from "#src/format/field-path.ts";
import { fieldsField, onMissingField } from "#src/format/packet-parts.ts";

/*
 * Takes fields out. A column of a primary key cannot be dropped: order and deletes depend on it.
 */
const configSchema = z.strictObject({
  fields: fieldsField,
  onMissing: onMissingField,
});

type Config = z.infer<typeof configSchema>;
type State = (packet: Packet) => Packet;

export const dropFilter = defineFilter<Config, State>({
  name: "DropFilter",
  summary: "Takes the fields out that are named.",
  configSchema,
  single: () => true,
  open: ({ ident }, { fields, onMissing }) => {
    const unwanted = new Set(fields);
    const fails = onMissing === "fail";
    return createFieldEditor(
      {
        columns(table) {
          if (fails) requireColumns(table, fields);
          return table.columns.flatMap((column, from) =>
            unwanted.has(column.name) ? [] : [{ from, column }],
          );
        },
        object(object) {
          let copy = object;
          for (const name of fields) {
            if (fieldAt(copy, name) !== undefined) copy = withField(copy, name, undefined);
            else if (fails) throw missing(name);
          }
          return copy;
        },
      },
      ident,
    );
  },
  apply: (edit, packet) => edit(packet),
});

import { z } from "zod";
import { defineFilter, type Packet } from "#plugin";
import { type ExactObject, exactObject } from "#src/format/exact-json.ts";
import { createFieldEditor, missing, requireColumns } from "#src/format/field-edit.ts";
import { fieldAt, withField } from "#src/format/field-path.ts";
import { fieldsField, onMissingField } from "#src/format/packet-parts.ts";

/*
 * Keeps the fields that are named, in the order of the packet. The columns of a primary key are
 * always kept: order and deletes depend on them.
 */
const configSchema = z.strictObject({
  fields: fieldsField,
  onMissing: onMissingField,
});

type Config = z.infer<typeof configSchema>;
type State = (packet: Packet) => Packet;

export const pickFilter = defineFilter<Config, State>({
  name: "PickFilter",
  summary: "Keeps the fields that are named, and the key.",
  configSchema,
  single: () => true,
  open: ({ ident }, { fields, onMissing }) => {
    const wanted = new Set(fields);
    const fails = onMissing === "fail";
    return createFieldEditor(
      {
        columns(table) {
          if (fails) requireColumns(table, fields);
          return table.columns.flatMap((column, from) =>
            wanted.has(column.name) || table.primaryKey.includes(from) ? [{ from, column }] : [],
          );
        },
        object: (object) => picked(object, fields, fails),
      },
      ident,
    );
  },
  apply: (edit, packet) => edit(packet),
});

function picked(object: ExactObject, fields: readonly string[], fails: boolean): ExactObject {
  let copy = exactObject([]);
  for (const name of fields) {
    const value = fieldAt(object, name);
    if (value !== undefined) {
      copy = Object.hasOwn(object, name)
        ? exactObject([...Object.entries(copy), [name, value]])
        : withField(copy, name, value);
    } else if (fails) throw missing(name);
  }
  return copy;
}

import { z } from "zod";
import { DbusError, defineFilter, type Packet, type Table } from "#plugin";
import { createFieldEditor, missing, requireColumns, tableName } from "#src/format/field-edit.ts";
import { fieldAt, renamed } from "#src/format/field-path.ts";
import { onMissingField } from "#src/format/packet-parts.ts";

/*
 * Gives fields other names. Where a field of the new name is there already, the packet fails: one
 * of the two would be lost.
 */
const name = z.string().min(1).max(256);

const configSchema = z.strictObject({
  fields: z
    .record(name, name)
    .refine((names) => Object.keys(names).length > 0, "name at least one field")
    .describe("Old names and the new ones: {total: amount}. Of a.b the last name changes."),
  onMissing: onMissingField,
});

type Config = z.infer<typeof configSchema>;
type State = (packet: Packet) => Packet;

export const renameFilter = defineFilter<Config, State>({
  name: "RenameFilter",
  summary: "Gives fields other names.",
  configSchema,
  single: () => true,
  open: ({ ident }, { fields, onMissing }) => {
    const names = new Map(Object.entries(fields));
    const fails = onMissing === "fail";
    return createFieldEditor(
      {
        columns: (table) => renamedColumns(table, names, fails),
        object(object) {
          for (const from of fails ? names.keys() : []) {
            if (fieldAt(object, from) === undefined) throw missing(from);
          }
          return renamed(object, names, (to) => {
            throw taken(to, "the document");
          });
        },
      },
      ident,
    );
  },
  apply: (edit, packet) => edit(packet),
});

function renamedColumns(table: Table, names: ReadonlyMap<string, string>, fails: boolean) {
  if (fails) requireColumns(table, names.keys());
  const columns = table.columns.map((column, from) => {
    return { from, column: { ...column, name: names.get(column.name) ?? column.name } };
  });
  const seen = new Set<string>();
  for (const { column } of columns) {
    if (seen.has(column.name)) throw taken(column.name, tableName(table));
    seen.add(column.name);
  }
  return columns;
}

function taken(to: string, of: string): DbusError {
  const remedy = "choose another name, or drop the other field before";
  return new DbusError("FILTER_FAILED", `${of} has a field ${to} already`, { remedy });
}

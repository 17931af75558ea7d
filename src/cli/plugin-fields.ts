import { type JsonSchema, typeText } from "../config/json-schema.ts";

/** One field of a plugin as a page or a table tells it; `tls.ca` for what is below another. */
export type Field = {
  readonly name: string;
  readonly type: string;
  /** JSON text; null where there is none. */
  readonly fallback: string | null;
  readonly required: boolean;
  readonly secret: boolean;
  readonly description: string;
};

export function fieldsOf(schema: JsonSchema, prefix = ""): readonly Field[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = prefix + key;
    const below = objectIn(field);
    const emptyObject = JSON.stringify(field.default) === "{}";
    const one: Field = {
      name,
      type: typeText(field),
      fallback: field.default === undefined || emptyObject ? null : JSON.stringify(field.default),
      required: required.has(key),
      secret: field.secret === true,
      description: field.description ?? "",
    };
    return below ? [one, ...fieldsOf(below, `${name}.`)] : [one];
  });
}

/** The object that a field may be, when it may be only one kind of object. */
function objectIn(field: JsonSchema): JsonSchema | undefined {
  if (field.properties) return field;
  const objects = [...(field.anyOf ?? []), ...(field.oneOf ?? [])].filter((one) => one.properties);
  return objects.length === 1 ? objects[0] : undefined;
}

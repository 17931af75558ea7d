import { type ZodType, z } from "zod";
import type { Path } from "./problem.ts";

/** The part of JSON Schema that zod writes and that is read here. */
export type JsonSchema = {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema | boolean;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly description?: string;
  readonly secret?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly [keyword: string]: unknown;
};

const written = new WeakMap<ZodType, JsonSchema>();

/** What a person writes for this schema (so before defaults and transforms). Kept per schema. */
export function jsonSchemaOf(schema: ZodType): JsonSchema {
  let json = written.get(schema);
  if (json === undefined) {
    const options = { io: "input", unrepresentable: "any", reused: "inline" } as const;
    const { $schema, "~standard": _, ...rest } = z.toJSONSchema(schema, options);
    json = rest as JsonSchema;
    written.set(schema, json);
  }
  return json;
}

/** A schema and all that it is combined of by anyOf, oneOf and allOf. */
export function branchesOf(schema: JsonSchema): readonly JsonSchema[] {
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [schema, ...parts.flatMap(branchesOf)];
}

/** Every schema that may describe the value at `path`; empty where nothing is known. */
export function schemasAt(schema: JsonSchema, path: Path): readonly JsonSchema[] {
  let here = branchesOf(schema);
  for (const step of path) {
    here = here.flatMap((one) => below(one, step)).flatMap(branchesOf);
  }
  return here;
}

function below(schema: JsonSchema, step: string | number): readonly JsonSchema[] {
  if (typeof step === "number") {
    const item = schema.prefixItems?.[step] ?? schema.items;
    return typeof item === "object" ? [item] : [];
  }
  const properties = schema.properties ?? {};
  if (Object.hasOwn(properties, step)) return [properties[step]!];
  const rest = schema.additionalProperties;
  return typeof rest === "object" ? [rest] : [];
}

/** The keys that an object may have here. */
export function keysAt(schema: JsonSchema, path: Path): readonly string[] {
  const keys = schemasAt(schema, path).flatMap((one) => Object.keys(one.properties ?? {}));
  return [...new Set(keys)];
}

/** The texts that are allowed here, when only some are. */
export function choicesOf(schemas: readonly JsonSchema[]): readonly string[] {
  const all = schemas.flatMap((one) => (one.const !== undefined ? [one.const] : (one.enum ?? [])));
  return [...new Set(all.map(String))];
}

/** A type in few words: `integer from 1 to 65535`, `"async" | "sync"`, `list of string`. */
export function typeText(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const union = schema.anyOf ?? schema.oneOf;
  if (union) return [...new Set(union.map(typeText))].join(" | ");
  if (schema.type === "array") {
    return `list of ${typeof schema.items === "object" ? typeText(schema.items) : "anything"}`;
  }
  if (schema.type === "object") return "object";
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : (schema.type ?? "anything");
  return `${type}${boundsText(schema)}`;
}

function boundsText(schema: JsonSchema): string {
  const { minimum, maximum, exclusiveMinimum } = schema;
  const least = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (exclusiveMinimum !== undefined && most === undefined) return ` above ${exclusiveMinimum}`;
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  if (least !== undefined) return ` from ${least}`;
  return most === undefined ? "" : ` to ${most}`;
}

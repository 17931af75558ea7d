import { type ZodType, z } from "zod";
import type { Route } from "./route.ts";
import { problemSchema } from "./schemas.ts";

type Json = Record<string, unknown>;

/**
 * The OpenAPI 3.1 document of a router table. 3.1 speaks JSON Schema 2020-12, which is what zod
 * writes; schemas with an id become components.
 */
export function openApi(routes: readonly Route[], version: string): Json {
  const components: Record<string, Json> = {};
  const paths: Record<string, Json> = {};
  for (const one of routes) {
    const path = paths[one.path] ?? {};
    path[one.method] = operationOf(one, components);
    paths[one.path] = path;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "dbus admin API",
      version,
      description: "Looks at a running data bus and steers it.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "admin.token or one of admin.tokens, where any is set.",
        },
      },
    },
  };
}

function operationOf(one: Route, components: Record<string, Json>): Json {
  const { response, body } = one;
  const json = (schema: ZodType, io: "input" | "output") => schemaOf(schema, io, components);
  const content = response
    ? { "application/json": { schema: json(response, "output") } }
    : { "text/plain": { schema: { type: "string" } } };
  const problem = {
    description: "What was wrong, and what would be right.",
    content: { "application/problem+json": { schema: json(problemSchema, "output") } },
  };
  return {
    operationId: operationId(one),
    summary: one.summary,
    ...(one.open ? {} : { description: `Needs a token of the role ${one.role}, if any.` }),
    security: one.open ? [] : [{}, { bearer: [] }],
    parameters: [
      ...parametersOf(one.params, "path", components),
      ...parametersOf(one.query, "query", components),
    ],
    ...(body
      ? { requestBody: { content: { "application/json": { schema: json(body, "input") } } } }
      : {}),
    responses: { 200: { description: "OK", content }, default: problem },
  };
}

/** `put /api/v1/pause/{input}` is `putPauseInput`. */
function operationId(one: Route): string {
  const words = one.path.replace(/^\/(api\/v1\/)?/, "").match(/[A-Za-z]+/g) ?? [];
  return one.method + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join("");
}

function parametersOf(
  schema: ZodType | undefined,
  where: "path" | "query",
  components: Record<string, Json>,
): readonly Json[] {
  if (schema === undefined) return [];
  const object = schemaOf(schema, "input", components);
  const properties = (object.properties ?? {}) as Record<string, Json>;
  const required = (object.required ?? []) as readonly string[];
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    required: where === "path" || required.includes(name),
    ...(description ? { description } : {}),
    schema: rest,
  }));
}

/** A schema whose named parts moved to the components. */
function schemaOf(schema: ZodType, io: "input" | "output", components: Record<string, Json>): Json {
  const {
    $schema,
    "~standard": _,
    ...json
  } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  const { $defs, id, ...rest } = JSON.parse(
    JSON.stringify(json).replaceAll("#/$defs/", "#/components/schemas/"),
  ) as Json & { $defs?: Record<string, Json>; id?: string };
  for (const [name, one] of Object.entries($defs ?? {})) {
    const { id: _id, ...named } = one;
    components[name] = named;
  }
  if (id === undefined) return rest;
  components[id] = JSON.parse(
    JSON.stringify(rest).replaceAll('{"$ref":"#"}', `{"$ref":"#/components/schemas/${id}"}`),
  ) as Json;
  return { $ref: `#/components/schemas/${id}` };
}

import { expect, test } from "bun:test";
import { createApp, routeTable } from "#src/api/app.ts";
import { silentLog } from "#src/log.ts";
import { fakePort } from "./fake-port.ts";

type Json = Record<string, unknown>;

async function document(): Promise<Json> {
  const app = createApp(fakePort(), { log: silentLog });
  return (await app.request("http://127.0.0.1/api/v1/openapi.json")).json() as Promise<Json>;
}

/** Every object of a JSON value. */
function objectsOf(value: unknown): Json[] {
  if (value === null || typeof value !== "object") return [];
  const below = Object.values(value).flatMap(objectsOf);
  return Array.isArray(value) ? below : [value as Json, ...below];
}

test("every route is in the document, under a name of its own", async () => {
  const { paths, openapi } = await document();
  expect(openapi).toBe("3.1.0");
  const operations = objectsOf(paths).filter((one) => typeof one.operationId === "string");
  const described = routeTable().filter(({ path }) => path !== "/api/v1/openapi.json");
  expect(operations).toHaveLength(described.length);
  expect(new Set(operations.map((one) => one.operationId)).size).toBe(operations.length);
  for (const { method, path } of described) {
    expect((paths as Record<string, Json>)[path]?.[method]).toBeObject();
  }
});

test("every reference leads somewhere, and none to a place that OpenAPI does not know", async () => {
  const whole = await document();
  const schemas = Object.keys((whole.components as { schemas: Json }).schemas);
  const references = objectsOf(whole).flatMap((one) =>
    typeof one.$ref === "string" ? [one.$ref] : [],
  );
  expect(references.length).toBeGreaterThan(10);
  for (const reference of references) {
    expect(schemas.map((name) => `#/components/schemas/${name}`)).toContain(reference);
  }
  expect(JSON.stringify(whole)).not.toContain("$defs");
});

test("every placeholder of a path is a required parameter, and the other way round", async () => {
  const { paths } = (await document()) as { paths: Record<string, Record<string, Json>> };
  for (const [path, methods] of Object.entries(paths)) {
    const placeholders = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const operation of Object.values(methods)) {
      const parameters = operation.parameters as { in: string; name: string; required: boolean }[];
      const named = parameters.filter((one) => one.in === "path" && one.required);
      expect(named.map(({ name }) => name)).toEqual(placeholders as string[]);
      expect(operation.responses).toHaveProperty("default");
    }
  }
});

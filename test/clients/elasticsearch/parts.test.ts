import { expect, test } from "bun:test";
import { z } from "zod";
import { isForbidden } from "#src/clients/elasticsearch/address-guard.ts";
import { parseBulk } from "#src/clients/elasticsearch/bulk-answer.ts";
import { createBulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import { esConnectionFields, insecureParts } from "#src/clients/elasticsearch/connection-config.ts";
import { described, esError } from "#src/clients/elasticsearch/errors.ts";
import { codeOfCall } from "../../support/code-of.ts";

const schema = z.strictObject(esConnectionFields);
const response = (statusCode: number, body: string, headers: Record<string, string> = {}) => ({
  ...{ name: "ResponseError", message: body, statusCode, meta: { body, headers } },
});

test("an error never quotes a document, and keeps nothing of the request", () => {
  const reason =
    "[1:6] failed to parse field [n] of type [long] in document with id 'ann@x'. " +
    "Preview of field's value: 'secret 1'";
  expect(described("document_parsing_exception", reason)).toBe(
    "document_parsing_exception: [1:6] failed to parse field [n] of type [long]",
  );
  const bare = "failed to parse field [n]. Preview of field's value: secret 3";
  expect(described("x", bare)).toBe("x: failed to parse field [n]");
  expect(described("x", 'For input string: "secret 2"')).toBe("x: For input string: …");
  const conflict = "[ann@x]: version conflict, current version [2] is higher";
  expect(described("y", conflict)).toBe("y: version conflict, current version [2] is higher");
  const error = esError({ ...response(500, "{}"), meta: { secret: "hunter2" } }, "h:9200");
  expect(JSON.stringify([error, error.cause ?? null])).not.toContain("hunter2");
});

test("an error quotes nothing that has quotes or line ends in it, is long, or came by a pipeline", () => {
  const secret = "hunter2";
  const long = `${secret} `.repeat(100);
  const quoted = [`it's '${secret}`, `"${secret}" and "${secret}`, `one\n${secret}`, long];
  const reasons = [
    ...quoted.flatMap((value) => [
      `For input string: "${value}"`,
      `token '${value}': was expecting`,
    ]),
    ...[secret, long, `a]\n${secret}`].flatMap((value) => [
      `Provided Grok expressions do not match field value: [${value}]`,
      `Unable to find match for dissect pattern: %{a} against source: ${value}`,
      `unable to convert [${value}] to integer`,
      `unable to parse date [${value}]`,
      `failed to parse setting [Ingest Field] with value [${value}] as a size in bytes`,
      `routing is required for [shop.t]/[${value}]`,
    ]),
  ];
  expect(
    reasons.map((reason) => described("x", reason)).filter((text) => /hunter2/.test(text)),
  ).toEqual([]);
  expect(described("x", "unable to convert [1] to integer")).toBe("x: unable to convert …");
  expect(described("x", "Can't merge [a] of type [b]")).toBe("x: Can't merge [a] of type [b]");
});

test("what a node answers has a name each", () => {
  const body = (type: string) => JSON.stringify({ error: { type, reason: "r" } });
  const table = [
    [401, body("security_exception"), "ES_AUTH"],
    [403, body("security_exception"), "ES_DENIED"],
    [403, body("cluster_block_exception"), "ES_INDEX_BLOCKED"],
    [413, "<html>", "ES_TOO_LARGE"],
    [429, "", "ES_BUSY"],
    [503, "", "ES_UNAVAILABLE"],
    [302, "", "ES_NOT_ELASTICSEARCH"],
    [400, body("invalid_index_name_exception"), "ES_INDEX_INVALID"],
    [400, body("x"), "ES_REQUEST_REFUSED"],
    [404, body("x"), "ES_REQUEST_REFUSED"],
  ] as const;
  const node = { "x-elastic-product": "Elasticsearch" };
  const codes = table.map(([status, text]) => esError(response(status, text, node), "h").code);
  expect(codes).toEqual(table.map(([, , code]) => code));
  expect(esError(response(429, "", { "retry-after": "7" }), "h").cause).toEqual({
    retryAfterMs: 7_000,
  });
  const thrown = (name: string, message: string) => esError({ name, message }, "h").code;
  expect(thrown("ConnectionError", "connect ECONNREFUSED")).toBe("ES_UNREACHABLE");
  expect(thrown("ConnectionError", "self signed certificate")).toBe("ES_TLS");
  expect(thrown("TimeoutError", "Request timed out")).toBe("ES_UNREACHABLE");
  const plain = "SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER";
  expect(esError({ name: "ConnectionError", message: plain }, "h")).toMatchObject({
    code: "ES_TLS",
    remedy: expect.stringContaining("write http://"),
  });
  expect(esError({ name: "ProductNotSupportedError" }, "h")).toMatchObject({
    code: "ES_NOT_ELASTICSEARCH",
    message: "h: what answers does not say that it is Elasticsearch",
  });
});

test("what a balancer says of nodes that are away concerns no document", () => {
  for (const status of [400, 404, 405, 408, 421, 502]) {
    const { code } = esError(response(status, "<html>default backend"), "h");
    expect([status, code]).toEqual([status, "ES_UNAVAILABLE"]);
  }
});

test("S12: link-local addresses are never asked, however they are written", () => {
  for (const bad of ["169.254.169.254", "[fe80::1]", "fe80::1%eth0", "[::ffff:a9fe:a9fe]"]) {
    expect([bad, isForbidden(bad)]).toEqual([bad, true]);
  }
  expect(isForbidden("::ffff:169.254.1.1")).toBe(true);
  expect(isForbidden("fd00:ec2::254")).toBe(true);
  for (const fine of ["127.0.0.1", "10.1.2.3", "[::1]", "es.example.com", "169.255.0.1"]) {
    expect([fine, isForbidden(fine)]).toEqual([fine, false]);
  }
});

test("a node is http or https, and holds no password (S4, S12)", () => {
  const problems = (node: string) =>
    schema.safeParse({ nodes: [node] }).error?.issues.map(({ message }) => message);
  for (const node of ["ftp://h", "file:///etc", "h:9200", "http://h/?x=1", "https://u:hunter2@h"]) {
    expect([node, problems(node)?.length]).toEqual([node, 1]);
    expect(JSON.stringify(problems(node))).not.toContain("hunter2");
  }
  expect(problems("https://es.example.com:9200/path")).toBeUndefined();
});

test("what a config does without is told (S5)", () => {
  const parts = (config: object) => insecureParts(schema.parse(config)).join("; ");
  expect(parts({ nodes: ["http://127.0.0.1:9200", "https://es"] })).toBe("");
  expect(parts({ nodes: ["http://es"], auth: { apiKey: "k" } })).toContain("API key");
  expect(parts({ nodes: ["https://es"], tls: { insecure: true } })).toContain("tls.insecure");
});

test("an answer to a bulk that is none is an error, never a success", () => {
  expect(parseBulk('{"errors":false,"items":[]}')).toBe("done");
  expect(parseBulk('{"took":3,"errors":false}')).toBe("done");
  for (const text of ["", "OK", "{}", '{"errors":true}', '{"items":5}', '{"errors":tru']) {
    expect([text, codeOfCall(() => parseBulk(text))]).toEqual([text, "ES_UNAVAILABLE"]);
  }
  const items = parseBulk('{"errors":true,"items":[{"index":{"status":201}},{},null]}');
  expect(items).toEqual([201, 0, 0].map((status) => ({ status, type: undefined, reason: "" })));
});

test("a body gives actions and documents a line each, whatever is in them", () => {
  const body = createBulkBody();
  const action = { verb: "index", index: 'a"b', id: 'x"\n\u2028' } as const;
  body.action(
    { ...action, routing: "r\n", pipeline: "p" },
    { upper: 2 ** 63 - 2 ** 40, lower: 2 ** 40 - 1 },
    true,
  );
  body.text('{"a":\r\n1}');
  const before = body.length;
  body.text("{}");
  body.truncate(before);
  const lines = Buffer.from(body.bytes(0, body.length)).toString().split("\n");
  expect(lines.length).toBe(3);
  expect(lines[0]).toContain('"version":9223372036854775807,"version_type":"external_gte"');
  const { version, ...rest } = JSON.parse(lines[0] ?? "").index;
  expect(rest).toEqual({
    ...{ _index: 'a"b', _id: 'x"\n\u2028', version_type: "external_gte" },
    ...{ routing: "r\n", pipeline: "p" },
  });
  expect(JSON.parse(lines[1] ?? "")).toEqual({ a: 1 });
});
